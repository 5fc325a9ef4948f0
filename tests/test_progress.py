"""What is told of long work, in a terminal and under a notebook's cell."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dask
import pytest
from frames import make_frame, on_dask
from kernels import Kernel, errors, of

from datamerge import compute
from datamerge.compute import progress, terminal
from datamerge.compute.progress import STAGES, Progress, Stage
from datamerge.explore.progress.board import MOST, Board, page, text

pytest_plugins = ["kernels"]

HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\u202e"
STEPS = [Progress("write", done, 3, done * 10, done + 0.5) for done in (1, 2, 3)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Shown:
    """A cell's output."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str]] = []

    def show(self, html: str, text: str) -> None:
        self.states.append((html, text))


def test_lines_on_a_terminal_and_in_a_file() -> None:
    screen, file = Terminal(), io.StringIO()
    for lines in (terminal.Lines(screen), terminal.Lines(file)):
        for step in STEPS:
            lines(step)
    assert screen.getvalue().count("\n") == 1
    assert "\rwriting: 3 of 3 parts, 30 rows, 9 rows/s, done in 3.5 s" in screen.getvalue()
    assert file.getvalue() == "writing: 3 of 3 parts, 30 rows, 9 rows/s, done in 3.5 s\n"


def test_a_line_is_as_wide_as_the_terminal_and_takes_the_whole_of_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    screen = Terminal()
    lines = terminal.Lines(screen)
    lines(Progress("write", 1, 2000, 10_000, 60.0))
    lines(Progress("write", 1, 2000, 10_000, 61.0, stopped=True))
    before, after = screen.getvalue().rstrip("\n").split("\r")[1:]
    assert len(before) == len(after) == 39


def test_what_is_quick_is_not_shown() -> None:
    screen, cell = Terminal(), Shown()
    lines, board = terminal.Lines(screen, patience=1.0), Board(cell)
    with dask.config.set({"datamerge.patience": 1.0}):
        for quick in ("prepare", "exact", "write"):
            lines(Progress(quick, 1, 1, 5, 0.4))
            board(Progress(quick, 1, 1, 5, 0.3))
        assert not screen.getvalue() and not cell.states
        board(Progress("keep", 1, 1, 5, 0.2))  # all of them together are not so quick
    (state,) = cell.states
    assert state[1].count("\n") == 3


def test_a_stage_tells_what_is_left_from_the_parts_that_are_done() -> None:
    under_way = Progress("embed", 2, 6, 200, 11.0, last=10.0)
    assert under_way.rate == 20 and under_way.left == 19
    assert progress.figures(under_way) == "2 of 6 parts, 200 rows, 20 rows/s, 19 s left"
    assert progress.figures(Progress("embed", 0, 6, 0, 2.0)) == "0 of 6 parts, 2 s so far"
    assert progress.figures(Progress("embed", 2, 6, 200, 40.0, 10.0)).endswith("40 s so far")
    stopped = Progress("embed", 2, 6, 200, 11.0, 10.0, stopped=True)
    assert progress.figures(stopped).endswith("stopped after 11 s")
    assert stopped.ended and stopped.left is None


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_every_part_is_told_as_it_ends(scheduler: str) -> None:
    df = on_dask(make_frame(list("abcde")), 5)
    told: list[Progress] = []
    with dask.config.set({"scheduler": scheduler, "datamerge.reporter": told.append}):
        for number, _ in enumerate(compute.each_partition(df, lambda p, n: n, stage="x"), 1):
            assert (told[-1].done, told[-1].rows) == (number, number)
        compute.each(lambda n: n, [1, 2], stage="y", rows=lambda n: n)
        compute.each(lambda n: n, [1], stage="choose")
    assert [p.done for p in told if p.stage == "y"][-1] == 2 and told[-1].rows == 3
    assert {p.stage for p in told} == {"x", "y"}


def test_a_failure_and_a_loop_that_is_left_are_told_as_stopped() -> None:
    df = on_dask(make_frame(list("abc")), 3)
    told: list[Progress] = []
    with dask.config.set({"datamerge.reporter": told.append}):
        for _ in compute.each_partition(df, lambda p, n: n, stage="x"):
            break
        with pytest.raises(ZeroDivisionError):
            compute.each(lambda n: 1 / n, [0], stage="y")
    assert {(p.stage, p.done) for p in told if p.stopped} == {("x", 1), ("y", 0)}


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_one_pass_over_a_frame_is_told_and_its_sum_is_right(scheduler: str) -> None:
    letters = list("abcdefghijklmnopqrst")
    df = on_dask(make_frame(letters), 20)
    told: list[Progress] = []
    with dask.config.set({"scheduler": scheduler, "datamerge.reporter": told.append}):
        found = compute.summed(df, lambda part: "".join(part["text"]), "".join, stage="look")
        one = compute.summed(df.partitions[:1], lambda p: "".join(p["text"]), "".join, stage="look")
    assert (found, one) == ("".join(letters), "a")
    assert [p.rows for p in told if p.ended] == [20, 1]


def test_the_time_that_passes_is_told_while_nothing_ends() -> None:
    told: list[Progress] = []
    with dask.config.set({"datamerge.reporter": told.append}):
        # Ends once it was told of twice more.
        def work(_: None) -> None:
            while len(told) < 3:
                pass

        compute.each(work, [None], stage="group")
    assert [p.done for p in told[:3]] == [0, 0, 0]


@pytest.mark.parametrize("off", [{"datamerge.progress": False}, {"datamerge.reporter": False}])
def test_it_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, off: dict[str, Any]) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with dask.config.set({"datamerge.patience": 0, **off}), Stage("write", 1) as stage:
        stage.ended(5)
    assert not screen.getvalue()


def test_standard_error_is_left_alone_where_it_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = {}
    for kind, stream in {"terminal": Terminal(), "file": io.StringIO()}.items():
        for asked in (None, True):
            monkeypatch.setattr(sys, "stderr", stream)
            stream.truncate(0)
            settings = {"datamerge.patience": 0, "datamerge.progress": asked}
            with dask.config.set(settings), Stage("write", 1) as stage:
                stage.ended(5)
            shown[kind, asked] = "writing: 5 rows" in stream.getvalue()
    assert shown == {("terminal", None): True, ("terminal", True): True,
                     ("file", None): False, ("file", True): True}  # fmt: skip


def test_a_script_is_told_nothing_of_notebooks(tmp_path: Path) -> None:
    script = (
        "import sys, dask, datamerge as dm\n"
        "dask.config.set({'datamerge.patience': 0, 'datamerge.progress': True})\n"
        "dm.write(dm.read(['a'], name='n'), 'out')\n"
        "print([m for m in ('IPython', 'marimo', 'ipywidgets', 'distributed') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    assert done.stderr.startswith("writing: 1 row, ") and done.stderr.count("\n") == 1


def test_a_page_is_safe_short_and_says_what_is_under_way() -> None:
    stages = [Progress("write", 1, 1, 5, 2.0)] * 30 + [Progress(HOSTILE, 1, 4, 5, 2.0)]
    html, plain = page(stages, "http://127.0.0.1:8787/status"), text(stages, "/user/me/status")
    assert "<img" not in html and "&lt;img src=x onerror=alert(1)&gt;" in html
    assert not re.search("[\x1b\u202e]", html + plain)
    assert html.count("<li") == MOST + 1 and "19 earlier stages: 38 s" in html
    assert '<progress max="4" value="1"' in html
    assert 'href="http://127.0.0.1:8787/status"' in html and "dashboard: /user/me" in plain
    ended = page([*stages[:-1], Progress("write", 1, 4, 5, 2.0, stopped=True)], "http://h")
    assert "<progress" not in ended and "href" not in ended and "stopped after 2 s" in ended


def test_only_addresses_are_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster),
    ):
        for link, known in {
            "http://{host}:{port}/status": True,
            "/user/me/proxy/{port}/status": True,
            "javascript:alert({port})": False,
            "{NOT_SET_ANYWHERE}/{port}": False,
        }.items():
            with dask.config.set({"distributed.dashboard.link": link}):
                assert bool(progress.dashboard()) is known
    assert progress.dashboard() is None


def test_every_stage_has_a_name() -> None:
    package = Path(progress.__file__).parent
    used = {
        name
        for path in package.rglob("*.py")
        for name in re.findall(r"\bstage=\"(\w+)\"", path.read_text(encoding="utf-8"))
    }
    assert used - progress.UNTOLD <= set(STAGES)


START = """
import dask, datamerge as dm
from datamerge import compute
dask.config.set({"datamerge.patience": 0})
client = dm.cluster.start("local", workers=1, memory="1GB")
"""
CELL = f"""
df = dm.read([f"text {{n}}" for n in range(100)], name="notes").repartition(npartitions=4)
tally = dm.write(df, "out")
list(compute.each_partition(df, lambda part, n: n, stage={HOSTILE!r}))
"""


def test_a_cell_shows_one_display_and_keeps_it_up_to_date(kernel: Kernel) -> None:
    assert not errors(kernel.run(START))
    heard = kernel.run(CELL)
    assert not errors(heard)
    (first,) = of(heard, "display_data")
    updates = of(heard, "update_display_data")
    names = {message["content"]["transient"]["display_id"] for message in [first, *updates]}
    assert len(names) == 1
    states = [message["content"]["data"] for message in [first, *updates]]
    link = kernel.value("client.dashboard_link")
    assert f'href="{link}"' in states[0]["text/html"] and link in states[0]["text/plain"]
    last = states[-1]
    assert re.match(r"writing: 4 of 4 parts, 100 rows, [\d,]+ rows/s, done in", last["text/plain"])
    assert last["text/plain"].count("\n") == 1 and link not in last["text/html"]
    for state in states:
        assert "<img" not in state["text/html"] and "\x1b" not in state["text/plain"]
    assert not of(heard, "stream")
    again = kernel.run("tally = dm.write(df, 'out2')")
    (other,) = of(again, "display_data")  # another cell, another display
    assert other["content"]["transient"]["display_id"] not in names
    silent = kernel.run("dask.config.set({'datamerge.progress': False}); dm.write(df, 'out3');")
    assert not of(silent, "display_data", "update_display_data", "stream")
    assert not of(kernel.run("del tally"), "display_data")
