"""Jobs of a real Slurm: two virtual nodes on this machine, started for these tests alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cloudpickle
import dask
import psutil
import pytest
import slurm
from test_cluster import listening
from test_cluster_workers import outputs, recipe_of_many_parts

from datamerge import cluster, compute, recipe

pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed")
if slurm.missing():
    pytest.skip(f"Slurm is not installed: no {', '.join(slurm.missing())}", allow_module_level=True)

# Workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

JOB = {"kind": "slurm", "cores": 1, "memory": "1GiB", "walltime": "00:10:00", "interface": "lo"}


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with slurm.slurm(tmp_path_factory.mktemp("slurm")) as environment:
        before = {name: os.environ.get(name, "") for name in environment}
        os.environ.update(environment)
        yield environment
        os.environ.update(before)


@pytest.fixture
def shared(queue, tmp_path) -> Iterator[Path]:
    """A work directory that all see, and no job before or after."""
    until(lambda: jobs() == [])
    changed = {
        "datamerge.workdir": str(tmp_path / "work"),
        "distributed.deploy.lost-worker-timeout": "1s",
    }
    with dask.config.set(changed):
        yield tmp_path
    if (left := compute.client()) is not None:
        left.close()
    until(lambda: jobs() == [])


def jobs(state: str = "PENDING,RUNNING,CONFIGURING") -> list[str]:
    """The ids of jobs that wait or run."""
    told = subprocess.run(
        ["squeue", "-h", "-o", "%i", "-t", state], capture_output=True, text=True, check=True
    )
    return told.stdout.split()


def until(true: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.2)


def present(client) -> dict[str, dict]:
    return client.scheduler_info(n_workers=-1)["workers"]


def node() -> str:
    return os.environ["SLURMD_NODENAME"]


def test_the_sample_gives_the_same_bytes_in_jobs(shared):
    (shared / "datamerge-jobs.yaml").write_text(
        "datamerge: {cluster: {profiles: {two: {kind: slurm, queue: debug, cores: 1,\n"
        "  memory: 1GiB, walltime: '00:10:00', interface: lo, jobs: 2}}}}\n"
    )
    environment = {**os.environ, "DASK_CONFIG": str(shared)}

    def demo(out: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "datamerge.cli", "demo", "--out", out, *arguments],
            capture_output=True, text=True, cwd=shared,
            env={**environment, "DATAMERGE_WORKDIR": str(shared / f"work-{out}")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done

    queued = demo("queued", "--cluster", "slurm", "--profile", "two")
    assert "waiting for the first job of slurm" in queued.stderr
    assert jobs() == []  # they went when the run ended
    logs = [path.read_text() for path in (shared / "work-queued" / "jobs").glob("*.err")]
    assert len(logs) == 2 and all("Registered to:      tcp://127.0.0.1" in log for log in logs)
    assert queued.stdout.replace("queued", "alone") == demo("alone", "--cluster", "none").stdout
    assert outputs(shared / "queued") == outputs(shared / "alone")


class Watched(threading.Thread):
    """Looks at the queue while a block runs; ``most`` is how many jobs ran at a time."""

    most = 0

    def __enter__(self) -> Watched:
        self.over = threading.Event()
        self.start()
        return self

    def run(self) -> None:
        while not self.over.wait(0.2):
            self.most = max(self.most, len(jobs("RUNNING")))

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def test_the_sample_has_jobs_come_and_go_and_gives_the_same_bytes(shared):
    checked = recipe.load(recipe_of_many_parts(shared))
    with dask.config.set({"datamerge.workdir": str(shared / "work alone")}):
        recipe.run(checked, shared / "alone")
    # Seconds of work are to do what hours would.
    with (
        dask.config.set({"distributed.adaptive.target-duration": "500ms"}),
        cluster.start("slurm", profile={**JOB, "jobs": [1, 2]}) as client,
    ):
        until(lambda: len(jobs()) == 1)
        with Watched() as queue:
            recipe.run(checked, shared / "queued")
        assert queue.most == 2
        until(lambda: len(jobs()) == len(present(client)) == 1)
    assert outputs(shared / "queued") == outputs(shared / "alone")


def test_a_wrong_profile_stops_the_run_before_any_work(shared):
    done = subprocess.run(
        [sys.executable, "-m", "datamerge.cli", "demo", "--cluster", "slurm", "--profile", "huge"],
        capture_output=True, text=True, cwd=shared,
    )  # fmt: skip
    assert done.returncode == 2 and "no profile 'huge'" in done.stderr
    assert not (shared / "out").exists() and jobs() == []


def test_grows_with_the_work_and_shrinks_after_it(shared):
    with cluster.start("slurm", profile={**JOB, "cores": 2, "processes": 1, "jobs": [0, 2]}) as own:
        until(lambda: jobs() == [])  # the first job, which looked at the work directory, has gone
        futures = own.map(lambda n: time.sleep(1) or node(), range(24), pure=False)
        until(lambda: len(jobs()) == 2)
        assert {each.result() for each in futures} == {"n1", "n2"}
        del futures
        until(lambda: jobs() == [])
        assert own.submit(sum, [1, 2]).result() == 3  # and again


def test_a_job_that_is_gone_is_replaced_with_all_its_workers(shared):
    with cluster.start("slurm", profile={**JOB, "cores": 2, "memory": "2GiB"}) as client:
        until(lambda: len(present(client)) == 2)
        (first,) = jobs()
        subprocess.run(["scancel", first], check=True)
        until(lambda: len(present(client)) == 2 and jobs("RUNNING") not in ([], [first]))
        assert client.submit(sum, [1, 2]).result() == 3
        assert len(jobs()) == 1


def test_workers_end_by_themselves_before_their_job_does(shared):
    short = {"worker_extra_args": ["--lifetime=6s", "--lifetime-stagger=1s"]}
    with cluster.start("slurm", profile={**JOB, "options": short}) as client:
        (first,) = jobs()
        until(lambda: bool(present(client)) and jobs("RUNNING") not in ([], [first]))
        assert client.submit(sum, [1, 2]).result() == 3
    (log,) = (shared / "work" / "jobs").glob(f"*-{first}.err")
    assert "worker-lifetime-reached" in log.read_text()


def test_the_same_arguments_give_the_same_jobs(shared):
    client = cluster.start("slurm", profile=JOB)
    before = jobs()
    assert cluster.start("slurm", profile=JOB) is client and jobs() == before
    other = cluster.start("slurm", profile=JOB, walltime="00:05:00")
    assert other is not client and client.status == "closed"
    until(lambda: len(jobs()) == 1)
    assert jobs() != before
    other.close()


def test_connections_between_nodes_are_encrypted(shared):
    pytest.importorskip("cryptography")
    with cluster.start("slurm", profile=JOB, tls="temporary") as client:
        assert all(address.startswith("tls://") for address in present(client))
        assert client.submit(sum, [1, 2]).result() == 3
        keys = list((shared / "work").glob(".dask-jobqueue.worker.key.*"))
        assert [key.stat().st_mode & 0o77 for key in keys] == [0]
    assert not list((shared / "work").glob(".dask-jobqueue.*"))  # they went with the cluster


def test_workers_listen_where_they_are_told_alone(shared):
    with cluster.start("slurm", profile=JOB) as client:
        (pid,) = client.run(os.getpid).values()
        worker = psutil.Process(pid)
        assert listening(worker.parent()) == {"127.0.0.1"}  # the nanny, and its worker


def test_a_work_directory_that_is_not_shared_is_found_out(shared):
    hidden = shared / "work"
    hidden.mkdir()
    (hidden / "jobs").mkdir()
    python = shared / "python"
    python.write_text(
        "#!/bin/sh\n"  # the job sees an empty disk of its own where the client has its files
        f'exec unshare -m sh -c \'mount -t tmpfs none "{hidden}" && exec {sys.executable} "$@"\''
        ' sh "$@"\n'
    )
    python.chmod(0o755)
    if subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip("no mount namespaces for this user")
    with pytest.raises(RuntimeError, match="do not see the work directory .*DATAMERGE_WORKDIR"):
        cluster.start("slurm", profile={**JOB, "python": str(python)})
    assert compute.client() is None
    until(lambda: jobs() == [])


def test_workers_without_the_package_are_found_out(shared, monkeypatch):
    (shared / "datamerge").mkdir()
    (shared / "datamerge" / "__init__.py").write_text("raise ImportError('not here')\n")
    monkeypatch.chdir(shared)  # jobs begin here, and import from here first
    with pytest.raises(RuntimeError, match="has their Python this version of datamerge"):
        cluster.start("slurm", profile={**JOB, "jobs": 2})
    assert compute.client() is None


def test_a_job_that_does_not_come_is_told_and_cancelled(shared):
    late = {**JOB, "directives": ["--begin=now+1hour"], "wait": "2s"}
    with pytest.raises(TimeoutError, match="no worker came within 2 seconds. See `squeue --me`"):
        cluster.start("slurm", profile=late)
    assert compute.client() is None
    until(lambda: jobs() == [])


def test_a_job_that_the_queue_refuses_is_told(shared):
    with pytest.raises(RuntimeError, match=r"(?s)no worker can be started: .*invalid partition"):
        cluster.start("slurm", profile={**JOB, "queue": "nowhere"})
    assert compute.client() is None


def test_the_end_of_the_session_cancels_its_jobs(shared):
    script = (
        "import datamerge as dm\n"
        f"client = dm.cluster.start('slurm', profile={JOB!r})\n"
        "print(len(client.scheduler_info()['workers']))\n"
    )
    environment = {**os.environ, "DATAMERGE_WORKDIR": str(shared / "work")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    until(lambda: jobs() == [])
