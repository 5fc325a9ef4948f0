"""Run the notebooks and write what they show into them.

    pip install -e '.[test,notebook]'
    python scripts/run_notebooks.py                 # all of them
    python scripts/run_notebooks.py 02_deduplicate  # or some

Each runs in an empty folder of its own, so that nothing is left behind and no path of this machine
gets in. What is written is what a reader without a kernel can see: a widget is left out in favour
of the page or the line of text that goes with it. ``tests/test_notebooks.py`` runs them in the
same way and compares.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"
LOGGED = " - distributed."  # what Dask logs of its workers is about this run, not its outcome
PORT = re.compile(r"(http://127\.0\.0\.1):\d+")
TIMEOUT = 300  # seconds a cell


def run(path: Path) -> nbformat.NotebookNode:
    """Run a notebook in an empty folder; what its cells show is settled."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            kernel_name=KERNEL["name"],
            timeout=TIMEOUT,
            resources={"metadata": {"path": folder}},
            record_timing=False,
            store_widget_state=False,
        )
        client.execute(env=_environment(folder))
    return settled(notebook)


def _environment(folder: str) -> dict[str, str]:
    """The package of this checkout, and none of the user's own settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DASK_", "DATAMERGE_"))}
    paths = filter(None, [str(ROOT), kept.get("PYTHONPATH")])
    places = {"IPYTHONDIR": folder, "DASK_CONFIG": folder}
    progress = {"DASK_DATAMERGE__PROGRESS": "false"}  # it tells how long things took
    return {**kept, **places, **progress, "PYTHONPATH": os.pathsep.join(paths)}


def settled(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook without what differs from run to run and machine to machine."""
    notebook.metadata = {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [_settled(output) for output in _joined(cell.outputs)]
    return notebook


def _joined(outputs: list[Any]) -> list[Any]:
    """Outputs with what was printed in several goes as one, without logs."""
    joined: list[Any] = []
    for output in outputs:
        if output.get("name") == "stderr" and LOGGED in output.text:
            continue
        before = joined[-1] if joined else {}
        if output.output_type == "stream" and before.get("name") == output.name:
            before["text"] += output.text
        else:
            joined.append(output)
    return joined


def _settled(output: Any) -> Any:
    if "text" in output:
        output.text = PORT.sub(r"\1:8787", output.text)
    if "data" in output:
        output.data.pop(WIDGET, None)
        output.metadata = {}
    return output


def main(names: list[str]) -> None:
    """Run the notebooks of these names, or all, and write them."""
    chosen = [path for path in NOTEBOOKS if not names or path.stem in names]
    if len(chosen) < len(names):
        known = ", ".join(path.stem for path in NOTEBOOKS)
        sys.exit(f"no such notebook among {', '.join(names)}; there are {known}")
    for path in chosen:
        print(path.relative_to(ROOT))
        nbformat.write(run(path), path)


if __name__ == "__main__":
    main(sys.argv[1:])
