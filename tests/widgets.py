"""Widgets in a real browser: fixtures for tests of what a page shows and does.

Three routes, each with the real thing at both ends:

``shown``
    The fast one. Solara serves the widget from this process, so a test holds the widget and the
    page at once::

        pytest_plugins = ["widgets"]

        def test_slider(shown):
            view = shown(lambda: dm.explore.map(df))       # made inside Solara's kernel
            view.page.get_by_role("button", name="Box").click()
            assert view.until(lambda: view.widget.selection == ("a#1",))
            view.do(lambda: setattr(view.widget, "selection", ()))    # and from Python
            view.picture("map")                            # tests/screenshots/map.png

    ``shown(make, dark=True, width=480)`` sets the system's theme and the window. A test fails if
    the page logged an error.

``notebook``
    JupyterLab with a kernel of its own: ``page = notebook("cell 1", "cell 2")`` runs the cells.
    The slow one; for what only JupyterLab does, such as taking the arrow keys.

``marimo``
    ``page = marimo("cell 1", "cell 2")`` runs the cells as a marimo app.

Tests are skipped where a part is missing: ``pip install -e ".[test,testbrowser]"`` and
``apt-get install chromium`` (or name a Chromium in the environment variable ``CHROMIUM``). With
``DATAMERGE_BROWSER=1`` they fail instead, so that nothing is skipped where all must be there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PICTURES = Path(__file__).parent / "screenshots"
# The same letters wherever they are taken, as far as the machine has them.
LETTERS = """:is(.dm-explore, .dm-widget):not(#dm):not(#dm) {
  font-family: Inter, system-ui, sans-serif; margin: 0; border-radius: 0;
  --dm-mono: "DejaVu Sans Mono", ui-monospace, monospace;
}
body { margin: 0; background: white; }"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CARD = ".dm-widget, .dm-explore"  # what a widget or a page of ours stands on
WAIT = 20_000  # milliseconds; machines that run tests may be busy

# Set before Solara is imported: it calls home, fetches from a CDN and writes to the home folder.
_ALONE = {
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",
    "SOLARA_TELEMETRY_SERVER_USER_ID": "tests",
    "SOLARA_THEME_SHOW_BANNER": "False",
}


def _absent(what: str) -> None:
    if os.environ.get("DATAMERGE_BROWSER"):
        pytest.fail(f"{what} is missing")
    pytest.skip(f"no {what}; see tests/widgets.py")


def _needs(*modules: str) -> None:
    from importlib.util import find_spec

    for module in modules:
        if find_spec(module) is None:
            _absent(f"package {module}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; closed with the module, since its event loop would be in the way of others."""
    _needs("playwright", "anywidget")
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(found).exists():
        _absent("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def new_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Makes pages that remember what went wrong in them; the test fails if anything did."""
    wrong: list[str] = []
    contexts = []

    def make(*, dark: bool = False, width: int = 1180, height: int = 900, scale: float = 1) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            device_scale_factor=scale,
            service_workers="block",  # those of others fetch what a server that ends no longer has
        )
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture
def picture() -> Callable[..., None]:
    """Keeps what a page looks like, for a person to look at; git ignores the folder."""

    def keep(page: Any, name: str) -> None:
        PICTURES.mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")

    return keep


# ---- Solara ---------------------------------------------------------------------------------


@dataclass
class Asked:
    """A widget to be made in Solara's kernel, and what became of it."""

    make: Callable[[], Any]
    dark: bool = False
    widget: Any = None
    kernel: Any = None
    done: threading.Event = field(default_factory=threading.Event)


_ASKED: dict[str, Asked] = {}


@dataclass
class Shown:
    """A widget and the page that shows it."""

    page: Any
    asked: Asked

    @property
    def widget(self) -> Any:
        return self.asked.widget

    def do(self, action: Callable[[], Any]) -> Any:
        """Do something to the widget as its kernel would."""
        with self.asked.kernel:
            return action()

    def until(self, holds: Callable[[], Any], seconds: float = WAIT / 1000) -> bool:
        """Wait for something to hold on Python's side, the page going on meanwhile."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                return False
            self.page.wait_for_timeout(20)
        return True

    def picture(self, name: str) -> None:
        """Of the widget alone."""
        PICTURES.mkdir(exist_ok=True)
        self.page.locator(CARD).screenshot(path=PICTURES / f"{name}.png")


@pytest.fixture(scope="module")
def solara_address() -> Iterator[str]:
    """Where Solara, in this process, serves `_ASKED` widgets."""
    _needs("solara", "anywidget")
    for name, value in _ALONE.items():
        os.environ.setdefault(name, value)
    import solara.server.app as apps
    from solara.server.starlette import ServerStarlette

    globals()["Page"] = _page()
    app = apps.AppScript(f"{__name__}:Page")
    app.init()
    apps.apps["__default__"] = app
    server = ServerStarlette(_free_port(), "127.0.0.1", log_level="critical")
    server.serve_threaded()
    server.wait_until_serving()
    yield server.base_url
    server.stop_serving()
    app.close()


def _page() -> Any:
    import reacton.ipywidgets as elements
    import solara
    import solara.lab
    from solara.server import kernel_context

    @solara.component
    def Page() -> Any:
        name = (solara.use_router().search or "").removeprefix("id=")
        if name in _ASKED:
            asked = _ASKED[name]
            solara.lab.theme.dark = asked.dark
            asked.widget = asked.widget or asked.make()
            asked.kernel = kernel_context.get_current_context()
            asked.done.set()
            return elements.VBox(children=[asked.widget])
        return elements.VBox()

    return Page


@pytest.fixture
def shown(solara_address: str, new_page: Callable[..., Any]) -> Iterator[Callable[..., Shown]]:
    """Shows what a function makes, in a page of its own."""
    names = []

    def show(make: Callable[[], Any], **window: Any) -> Shown:
        name = uuid.uuid4().hex
        names.append(name)
        asked = _ASKED[name] = Asked(make, window.get("dark", False))
        page = new_page(**window)
        page.goto(f"{solara_address}/?id={name}")
        # Solara's page fades in under a sheet that swallows the pointer: wait till it is gone.
        page.locator(CARD).first.click(trial=True)
        assert asked.done.wait(WAIT / 1000)
        return Shown(page, asked)

    yield show
    for name in names:
        del _ASKED[name]


# ---- JupyterLab -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A JupyterLab of its own: no user's settings, no news; its address and its folder."""
    _needs("jupyterlab", "ipykernel", "nbformat", "anywidget")
    root = tmp_path_factory.mktemp("lab")
    notebooks = root / "notebooks"
    notebooks.mkdir()
    extension = "@jupyterlab/apputils-extension"
    _setting(root, extension, "notification", {"fetchNews": "false", "checkForUpdates": False})
    # All cells are in the page, those out of sight too.
    _setting(root, "@jupyterlab/notebook-extension", "tracker", {"windowingMode": "none"})
    port = _free_port()
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",  # it knows which notebooks were trusted
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    places = {name: str(root / folder) for name, folder in folders.items()}
    command = [
        *(sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", "--ip=127.0.0.1"),
        *(f"--port={port}", f"--ServerApp.root_dir={notebooks}", "--IdentityProvider.token="),
        "--expose-app-in-browser",
    ]
    with _served(command, f"http://127.0.0.1:{port}/api", root / "log", places):
        yield f"http://127.0.0.1:{port}", notebooks


def _setting(root: Path, extension: str, plugin: str, values: dict[str, Any]) -> None:
    file = root / "settings" / extension / f"{plugin}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))


_KERNEL_READY = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const kernel = panel?.sessionContext?.session?.kernel;
  return window.jupyterapp?.commands.hasCommand("notebook:run-all-cells")
    && panel?.context?.isReady && kernel?.status === "idle"
    && kernel?.connectionStatus === "connected";
}"""


@pytest.fixture
def notebook(lab: tuple[str, Path], new_page: Callable[..., Any]) -> Callable[..., Any]:
    """Runs cells in JupyterLab and gives the page."""
    import nbformat

    address, folder = lab

    def run(*cells: str, **window: Any) -> Any:
        made = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            # Without it JupyterLab asks which kernel to take.
            metadata={
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
            },
        )
        name = f"{uuid.uuid4().hex}.ipynb"
        nbformat.write(made, folder / name)
        page = new_page(**window)
        page.goto(f"{address}/lab/tree/{name}?reset")
        page.wait_for_function(_KERNEL_READY, timeout=3 * WAIT)
        run_all = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
        assert page.evaluate(run_all)
        return page

    return run


@pytest.fixture
def opened(lab: tuple[str, Path], new_page: Callable[..., Any]) -> Callable[..., Any]:
    """Opens a notebook in JupyterLab as it was saved, and ends the kernel that it was given."""
    address, folder = lab

    def open_(path: Path, **window: Any) -> Any:
        name = f"{uuid.uuid4().hex}.ipynb"
        shutil.copy(path, folder / name)
        page = new_page(**window)
        page.goto(f"{address}/lab/tree/{name}?reset")
        page.wait_for_function(_KERNEL_READY, timeout=3 * WAIT)
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        page.get_by_text("No Kernel").first.wait_for()
        return page

    return open_


# ---- marimo ---------------------------------------------------------------------------------


@pytest.fixture
def marimo(tmp_path: Path, new_page: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Runs cells as a marimo app and gives the page."""
    _needs("marimo", "anywidget")
    with contextlib.ExitStack() as stack:

        def run(*cells: str, **window: Any) -> Any:
            app = tmp_path / "app.py"
            bodies = [_marimo_cell(cell) for cell in cells]
            app.write_text("\n".join(["import marimo", "app = marimo.App()", *bodies]))
            port = _free_port()
            command = [
                *(sys.executable, "-m", "marimo", "run", str(app), "--headless", "--no-token"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ]
            address = f"http://127.0.0.1:{port}"
            places = {
                "XDG_CONFIG_HOME": str(tmp_path),
                "XDG_STATE_HOME": str(tmp_path),
                "MARIMO_SKIP_UPDATE_CHECK": "1",
                "DO_NOT_TRACK": "1",
            }
            stack.enter_context(_served(command, f"{address}/health", tmp_path / "log", places))
            page = new_page(**window)
            page.goto(address)
            return page

        yield run


def _marimo_cell(cell: str) -> str:
    *lines, last = cell.strip().splitlines()
    body = "\n".join(f"    {line}" for line in [*lines, last])
    return f"@app.cell\ndef _():\n{body}\n    return\n"


# ---- servers --------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _served(
    command: list[str], health: str, log: Path, places: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, from when it answers until the block ends."""
    here = str(Path(__file__).parents[1])
    paths = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **places, "PYTHONPATH": paths}
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        _wait_for(health, process, log)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=1):
            return
        time.sleep(0.1)
    pytest.fail(f"{address} does not answer:\n{log.read_text()[-2000:]}")
