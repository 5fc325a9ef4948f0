"""The command line: run, demo, inspect, migrate, resplit, clean."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .recipe import Recipe

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
DEMO = Path(__file__).parent / "assets" / "demo.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code.

    0 is fine, 1 failed, 2 a bad recipe or bad arguments, 130 interrupted.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if not hasattr(given, "command"):
        parser.print_help()
        return WRONG
    command: Callable[[argparse.Namespace], int] = given.command
    try:
        from .recipe import RecipeError

        try:
            return command(given)
        except RecipeError as error:
            return _say(str(error), WRONG)
    except KeyboardInterrupt:
        _at_once()
        return _say("\ninterrupted; the same command goes on where it stopped", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has enough
        return OK
    except Exception as error:
        if given.debug:
            raise
        return _say(f"{type(error).__name__}: {error}", FAILED)


def _at_once() -> None:
    """Another interrupt ends the process, whatever threads are in the midst of."""
    import signal
    import threading

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _say(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="datamerge", description=__doc__)
    parser.add_argument("--version", action="version", version=f"datamerge {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    run = commands.add_parser("run", help="run a recipe")
    run.add_argument("recipe", type=Path, help="a YAML file")
    run.add_argument("--check", action="store_true", help="check the recipe and do nothing")
    _running(run, _run)
    demo = commands.add_parser("demo", help="merge the bundled sample")
    _running(demo, _demo)
    inspect = commands.add_parser(
        "inspect", help="the ledger of a run, and examples of each reason"
    )
    inspect.add_argument("out", type=Path, help="the output folder of a run")
    inspect.add_argument("--examples", type=int, default=3, help="rows to show of each reason")
    inspect.add_argument("--verify", action="store_true", help="read all files of the output")
    inspect.set_defaults(command=_inspect)
    migrate = commands.add_parser("migrate", help="a DataMergeKit configuration as a recipe")
    migrate.add_argument("folder", type=Path, help="the folder with the four YAML files")
    migrate.add_argument("--out", type=Path, help="where to write the recipe; else it is printed")
    migrate.set_defaults(command=_migrate)
    resplit = commands.add_parser("resplit", help="a data set rewritten in files of one size")
    resplit.add_argument(
        "data", help="the output folder of a run; or Parquet: a file, folder, glob"
    )
    resplit.add_argument("out", help="another folder")
    resplit.add_argument("--size", default="128MiB", help="about how large a file is; 128MiB")
    resplit.add_argument("--files", type=int, help="how many at least; two a core by default")
    resplit.add_argument("--overwrite", action="store_true", help="replace another run's output")
    resplit.set_defaults(command=_resplit)
    clean = commands.add_parser("clean", help="remove what no run uses from the work directory")
    clean.add_argument("--limit", default="0", metavar="SIZE",
                       help="how much may stay, as 50GB: what was used last")  # fmt: skip
    clean.add_argument("--unused", type=float, default=0, metavar="DAYS",
                       help="only what was not used for so many days")  # fmt: skip
    clean.set_defaults(command=_clean)
    return parser


def _running(parser: argparse.ArgumentParser, command: Callable[..., int]) -> None:
    parser.add_argument("--out", help="the output folder")
    parser.add_argument("--overwrite", action="store_true", help="replace another run's output")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="a value for ${NAME} in the recipe")  # fmt: skip
    parser.add_argument("--workers", type=_count, metavar="N or LOW:HIGH",
                        help="worker processes, or how few and how many as there is work; "
                        "one a core by default")  # fmt: skip
    parser.add_argument("--cluster", metavar="KIND",
                        help="local (default), none, cuda, slurm, pbs, lsf, sge, auto, or the "
                        "address of one that runs, tcp://HOST:PORT")  # fmt: skip
    parser.add_argument("--workdir-limit", metavar="SIZE",
                        help="the most to keep in the work directory, as 50GB")  # fmt: skip
    parser.add_argument("--profile", help="for a job queue: a profile's name, or FILE.yaml#NAME")
    parser.set_defaults(command=command, recipe=DEMO, check=False)


def _count(text: str) -> int | tuple[int, int]:
    low, colon, high = text.partition(":")
    return (int(low), int(high)) if colon else int(text)


def _variables(pairs: Sequence[str]) -> dict[str, str]:
    from .recipe import RecipeError

    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise RecipeError(f"--set {pair}: write --set NAME=VALUE")
        found[name] = value
    return found


def _run(given: argparse.Namespace) -> int:
    from . import recipe

    checked = recipe.load(given.recipe, _variables(given.set))
    _check_cluster(given)
    if given.check:
        print(f"{given.recipe}: {len(checked.sources)} sources, {len(checked.steps)} steps, fine")
        return OK
    return _within_limit(given, checked)


def _demo(given: argparse.Namespace) -> int:
    given.out = given.out or "out/demo"
    code = _run(given)
    print(f"\nLook around: datamerge inspect {given.out}")
    return code


def _within_limit(given: argparse.Namespace, checked: Recipe) -> int:
    """Work, and keep the work directory in bounds before and behind."""
    import dask

    from . import workdir
    from .workdir import running

    limit = {"datamerge.workdir-limit": given.workdir_limit} if given.workdir_limit else {}
    with dask.config.set(limit):
        try:
            return _work(given, checked)
        finally:
            running.end()
            workdir.keep_within_limit()


def _work(given: argparse.Namespace, checked: Recipe) -> int:
    import dask

    from . import recipe

    _quiet()
    client = _client(given)
    try:
        with dask.config.set({"datamerge.reporter": _reporter(client)}):
            tally = recipe.run(checked, given.out, overwrite=given.overwrite)
    except KeyboardInterrupt:
        if client is not None:  # what a worker is in the midst of may take a while
            print("\nending the workers", file=sys.stderr)
            _mute(client)
        raise
    finally:
        if client is not None:
            client.close()  # and the cluster with it, if it is ours
    print(tally)
    print(f"\nwritten to {tally.path}")
    return OK


def _mute(client: Any) -> None:
    """Processes that are being ended complain of each other, at length."""
    logging.disable(logging.CRITICAL)
    if client.cluster is not None:  # not a cluster that others work on
        with suppress(OSError):
            client.run(logging.disable, logging.CRITICAL, on_error="ignore")


def _reporter(client: Any) -> Any:
    """Lines on standard error, be it a terminal or a file, unless nobody wants them."""
    import dask

    from .compute.terminal import Lines

    wanted = dask.config.get("datamerge.progress", True)
    return Lines(link=client and client.dashboard_link) if wanted is None or wanted else False


def _quiet() -> None:
    """Warnings in one line each; the shuffle's chatter not at all."""
    import warnings

    logging.getLogger("distributed.shuffle").setLevel(logging.ERROR)
    warnings.showwarning = lambda message, *_args, **_more: print(
        f"warning: {message}", file=sys.stderr
    )


def _cluster(given: argparse.Namespace) -> dict[str, Any] | None:
    """What ``cluster.start`` is to be given; None for no cluster."""
    kind = given.cluster or ("auto" if given.profile else "local")
    if kind == "none":
        return None
    named = {"address": kind} if "://" in kind else {"kind": kind}
    return {**named, "profile": given.profile, "workers": given.workers}


def _check_cluster(given: argparse.Namespace) -> None:
    from . import cluster
    from .recipe import RecipeError

    options = _cluster(given)
    if options is None:
        return
    try:
        cluster.plan(**options)
    except (ValueError, ImportError, RuntimeError) as error:
        raise RecipeError(f"--cluster {given.cluster or 'local'}: {error}") from None


def _client(given: argparse.Namespace) -> Any:
    from . import cluster

    options = _cluster(given)
    if options is None:
        return None
    client = cluster.start(**options)
    if client.dashboard_link:
        print(f"dashboard: {client.dashboard_link}", file=sys.stderr)
    return client


def _inspect(given: argparse.Namespace) -> int:
    from .inspect import describe

    for line in describe(given.out, examples=given.examples, verify=given.verify):
        print(line)
    return OK


def _migrate(given: argparse.Namespace) -> int:
    from .migrate import migrate

    text = migrate(given.folder)
    if given.out is None:
        print(text, end="")
    else:
        given.out.write_text(text, encoding="utf-8")
        print(f"written to {given.out}")
    return OK


def _resplit(given: argparse.Namespace) -> int:
    from . import export

    how = {"size": given.size, "files": given.files, "overwrite": given.overwrite}
    print(export.resplit(given.data, given.out, **how))
    return OK


def _clean(given: argparse.Namespace) -> int:
    from dask.utils import parse_bytes

    from . import workdir

    print(f"{workdir.root()}: {workdir.clean(parse_bytes(given.limit), unused_days=given.unused)}")
    return OK


if __name__ == "__main__":
    sys.exit(main())
