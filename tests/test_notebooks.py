"""The notebooks run from beginning to end, and show what is saved in them."""

from __future__ import annotations

import importlib.util
import re
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from widgets import LETTERS

pytest_plugins = ["widgets"]

nbformat = pytest.importorskip("nbformat", reason="notebooks need the extra 'notebook'")
pytest.importorskip("nbclient", reason="notebooks need the extra 'notebook'")
pytest.importorskip("ipykernel", reason="notebooks need the extra 'notebook'")
pytest.importorskip("anywidget", reason="notebooks need the extra 'notebook'")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
UNSEEN = re.compile(r"<(style|script)\b.*?</\1>", re.S)
TAG = re.compile(r"<[^>]*>")
LINK = re.compile(r"\]\((?!https?:|#)([^)\s#]+)")
PATHS = re.compile(r"(?<![\w.:/~<])/(?:home|root|work|opt|tmp|usr|Users|private|var|mnt)/|file://")
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def script() -> ModuleType:
    """The script that runs notebooks and writes them."""
    found = importlib.util.spec_from_file_location(
        "run_notebooks", ROOT / "scripts" / "run_notebooks.py"
    )
    assert found is not None and found.loader is not None
    made = importlib.util.module_from_spec(found)
    found.loader.exec_module(made)
    return made


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(output: Any) -> dict[str, str]:
    """What a reader sees of an output: its text, and the words of its page."""
    if output.output_type == "stream":
        return {output.name: output.text}
    seen = {kind: value for kind, value in output.data.items() if kind != "text/html"}
    if "text/html" in output.data:
        seen["words"] = words(output.data["text/html"])
    return seen


def words(html: str) -> str:
    return " ".join(unescape(TAG.sub(" ", UNSEEN.sub(" ", html))).split())


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01_merge", "02_deduplicate", "03_look", "04_scale_out",
    ]  # fmt: skip


@each
def test_it_shows_what_is_saved(path: Path) -> None:
    saved = nbformat.read(path, as_version=4)
    ran = script().run(path)  # an error in a cell is raised here, with its traceback
    for before, after in zip(code(saved), code(ran), strict=True):
        same = list(map(shown, before.outputs)) == list(map(shown, after.outputs))
        assert same, (
            f"{path.name}: this cell shows something other than what is saved (if it should, run "
            f"scripts/run_notebooks.py):\n{before.source}\nsaved: {before.outputs}\n"
            f"now: {after.outputs}"
        )


@each
def test_it_is_saved_with_all_a_reader_needs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < 1_000_000
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert len(outputs) >= len(cells) / 2
    for output in outputs:
        assert output.output_type in ("execute_result", "display_data", "stream"), output
        assert output.get("name") != "stderr", output.text
        assert script().WIDGET not in output.get("data", {})  # "model not found" without a kernel


@each
def test_nothing_of_the_machine_it_ran_on_is_in_it(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    for cell in notebook.cells:
        outputs = [shown(output) for output in cell.get("outputs", [])]
        for text in [cell.source, *(value for seen in outputs for value in seen.values())]:
            assert PATHS.search(text) is None, text
            assert str(ROOT) not in text


@each
def test_its_links_lead_somewhere(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        for target in LINK.findall(cell.source) if cell.cell_type == "markdown" else ():
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_what_differs_between_runs_is_settled() -> None:
    widget = {script().WIDGET: {"model_id": "a"}, "text/plain": "Map of 3 rows"}
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="dashboard: http://127.0.0.1:4"),
        nbformat.v4.new_output("stream", name="stderr", text="now - distributed.nanny - INFO"),
        nbformat.v4.new_output("stream", name="stdout", text="1/status\n"),
        nbformat.v4.new_output("display_data", data=widget),
    ]
    cell = nbformat.v4.new_code_cell("", outputs=outputs, metadata={"execution": {"at": "now"}})
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"state": "large"}})
    (cell,) = script().settled(notebook).cells
    assert [shown(output) for output in cell.outputs] == [
        {"stdout": "dashboard: http://127.0.0.1:8787/status\n"},
        {"text/plain": "Map of 3 rows"},
    ]
    assert "widgets" not in notebook.metadata and not cell.metadata


@pytest.mark.parametrize(
    ("name", "widget"), [("02_deduplicate", ".dm-dups"), ("03_look", ".dm-map")]
)
def test_widgets_come_alive_in_jupyterlab(
    notebook: Any, picture: Any, name: str, widget: str
) -> None:
    """The notebooks' picture of the map is taken here."""
    saved = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    page = notebook(*(cell.source for cell in code(saved)), width=1360, height=1400, scale=2)
    page.add_style_tag(content=LETTERS)
    drawn = page.locator(f"{widget}[data-ready]").first
    drawn.wait_for(timeout=120_000)
    if widget == ".dm-dups":
        drawn.get_by_role("combobox").select_option("doubt")
        drawn.get_by_role("option").filter(has_text="Incas").click()
        drawn.locator(".dm-said mark").first.wait_for()
    else:
        drawn.get_by_text("23 selected", exact=True).wait_for()
    picture(drawn, f"notebook-{name}")


TRUST = "() => { window.jupyterapp.commands.execute('notebook:trust'); }"


def test_a_saved_notebook_shows_all_without_a_kernel(opened: Any, picture: Any) -> None:
    """JupyterLab takes style and pictures from what others saved, until one trusts the notebook."""
    page = opened(ROOT / "notebooks" / "03_look.ipynb", height=1400)
    page.locator(".dm-preview").first.wait_for()
    ran = page.locator(".jp-OutputArea-prompt").count()
    refusal = page.locator(".dm-preview mark", has_text="I cannot fulfill that request")
    refusal.wait_for()
    for kind, words in {
        ".dm-ledger": "Of 274 rows read: kept 233, turns 1, language 23, phrases 14",
        ".dm-stats": "median 83, mean 86.7",
        ".dm-map": "Map of 271 of 274 rows, coloured by reason: language 23",
    }.items():
        assert words in page.locator(kind).inner_text()
    assert page.locator("svg.dm-flow, .dm-explore style").count() == 0
    page.evaluate(TRUST)
    page.locator(".jp-Dialog .jp-mod-accept").click()
    for drawn in (".dm-ledger svg.dm-flow", ".dm-map svg.dm-cloud", ".dm-preview .dm-tools"):
        page.locator(drawn).first.wait_for()
    page.locator(".dm-ledger").get_by_text("phrases: 3 of 14 rows").click()
    page.locator(".dm-ledger mark").first.wait_for()
    assert page.get_by_text("model not found").count() == 0
    assert page.locator(".jp-OutputArea-prompt").count() == ran  # nothing was run again
    picture(page.locator(".dm-ledger"), "notebook-saved-ledger")
