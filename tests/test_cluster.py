"""Starting a cluster on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import dask
import psutil
import pytest

from datamerge import cluster, compute
from datamerge.cluster import cuda, dashboard, gpus, limits, local
from datamerge.cluster.limits import Limits

GIB = 2**30


@pytest.fixture(autouse=True)
def nothing_left():
    """No client stays behind, and no changed link."""
    yield
    if (running := compute.client()) is not None:
        running.close()
        raise AssertionError("a test has left its client open")
    dask.config.set({dashboard.KEY: dashboard.PLAIN})


def small(**given):
    return cluster.start("local", **{"workers": 1, "dashboard": None, **given})


def listening(process: psutil.Process) -> set[str]:
    every = [process, *process.children(recursive=True)]
    return {
        each.laddr.ip for one in every for each in one.net_connections() if each.status == "LISTEN"
    }


def test_all_of_a_local_cluster_listens_on_loopback():
    with cluster.start("local", workers=2) as client:
        assert client.scheduler_info()["address"].startswith("tcp://127.0.0.1")
        assert client.dashboard_link.startswith("http://127.0.0.1")
        assert {w["nthreads"] for w in client.scheduler_info()["workers"].values()} == {1}
        before = psutil.Process()
        assert listening(before) == {"127.0.0.1"}
    with small(processes=False):
        assert listening(psutil.Process()) <= {"127.0.0.1"}


def test_the_same_arguments_give_the_same_client_and_others_a_new_one(capsys):
    first = small(threads=1)
    assert small(threads=1) is first and cluster.start() is first
    assert cluster.start(address=first.scheduler.address) is first
    assert capsys.readouterr().err == ""
    second = small(threads=2)
    assert second is not first
    assert first.status == "closed" and first.cluster.status.name == "closed"
    assert "closing the cluster that was started with other arguments" in capsys.readouterr().err
    assert {w["nthreads"] for w in second.scheduler_info()["workers"].values()} == {2}
    second.close()
    third = small(threads=2)
    assert third is not second and third.submit(sum, [1, 2]).result() == 3
    third.close()


def test_the_client_of_somebody_else_is_left_alone():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as other,
        Client(other) as theirs,
    ):
        assert cluster.start() is theirs
        with small(processes=False) as ours:
            assert ours is not theirs and compute.client() is ours
        assert theirs.status == "running" and compute.client() is theirs


def test_closing_the_client_ends_every_process():
    client = small(workers=2)
    pids = list(client.run(os.getpid).values())
    assert len(pids) == 2
    client.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert compute.client() is None


def test_the_end_of_the_session_ends_every_process():
    script = (
        "import os, datamerge as dm\n"
        "if __name__ == '__main__':\n"
        "    dm.cluster.start('local', workers=2, dashboard=None)\n"
        "    client = dm.compute.client()\n"
        "    print(*client.run(os.getpid).values())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2 and not any(psutil.pid_exists(pid) for pid in pids)


def test_adapts_between_two_sizes():
    with small(workers=(1, 3), processes=False) as client:
        assert client.cluster._adaptive.minimum == 1
        assert client.cluster._adaptive.maximum == 3
        assert client.submit(sum, [1, 2]).result() == 3


def test_connections_are_encrypted_with_temporary_certificates():
    pytest.importorskip("cryptography")
    from distributed import Client, Security

    with small(tls="temporary") as client:
        assert client.scheduler.address.startswith("tls://127.0.0.1")
        assert all(at.startswith("tls://") for at in client.scheduler_info()["workers"])
        assert client.submit(sum, [1, 2]).result() == 3
        assert small(tls="temporary") is client
        with pytest.raises(OSError):  # a stranger's certificate is not good here
            Client(client.scheduler.address, security=Security.temporary(), timeout=3)


def certificates(folder: Path) -> dict[str, str]:
    pytest.importorskip("cryptography")
    from distributed import Security

    made = Security.temporary()
    files = {
        "ca": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key
    }  # fmt: skip
    for name, content in files.items():
        (folder / f"{name}.pem").write_text(content)
    return {name: str(folder / f"{name}.pem") for name in files}


def test_connections_are_encrypted_with_certificates_in_files(tmp_path):
    paths = certificates(tmp_path)
    with small(tls=paths) as client:
        assert client.scheduler.address.startswith("tls://127.0.0.1")
        assert client.submit(sum, [1, 2]).result() == 3
    with pytest.raises(ValueError, match="no file for 'key'"):
        cluster.plan("local", tls={**paths, "key": str(tmp_path / "lost.pem")})
    with pytest.raises(ValueError, match="tls='yes'"):
        cluster.plan("local", tls="yes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has certificates; name them"):
        cluster.plan(address="tls://127.0.0.1:1", tls="temporary")


def test_wrong_arguments_and_missing_gpus_say_what_to_do(monkeypatch):
    with pytest.raises(ValueError, match="kind='slrum'"):
        cluster.start("slrum")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="like tcp://HOST:PORT"):
        cluster.start(address="127.0.0.1:8786")
    with pytest.raises(ValueError, match="a cluster that runs has its profile"):
        cluster.start(address="tcp://127.0.0.1:8786", workers=2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RuntimeError, match=r"no GPU .* nvidia-smi and CUDA_VISIBLE_DEVICES"):
        cluster.start("cuda")


def test_sizes_suit_the_machine():
    assert local.keywords(Limits(8, 64 * GIB)) == {
        "n_workers": 8, "threads_per_worker": 1, "memory_limit": int(0.85 * 64 * GIB) // 8
    }  # fmt: skip
    assert local.keywords(Limits(64, 8 * GIB))["n_workers"] == 6  # as far as the memory goes
    assert local.keywords(Limits(2, GIB // 2))["n_workers"] == 1
    assert local.keywords(Limits(8, 64 * GIB), threads=4)["n_workers"] == 2
    given = local.keywords(Limits(8, 64 * GIB), workers=3, memory="2GiB")
    assert given == {"n_workers": 3, "threads_per_worker": 1, "memory_limit": 2 * GIB}
    assert local.keywords(Limits(8, 64 * GIB), memory="20GiB")["n_workers"] == 2


def groups(folder: Path, lines: str, files: dict[str, str]) -> Limits:
    """The limits of control groups laid out under a folder."""
    (folder / "self").write_text(lines)
    for name, content in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return limits.cgroup(folder / "self", folder / "cgroup")


def test_limits_of_a_version_2_group_and_of_those_above_it(tmp_path):
    found = groups(
        tmp_path,
        "0::/slurm/job_7/step_0\n",
        {
            "slurm/job_7/step_0/cpu.max": "max 100000",
            "slurm/job_7/step_0/memory.max": "max",
            "slurm/job_7/cpu.max": "350000 100000",
            "slurm/job_7/memory.max": str(8 * GIB),
            "slurm/job_7/memory.high": str(6 * GIB),
            "slurm/memory.max": str(64 * GIB),
            "slurm/cpuset.cpus.effective": "0-3,8-11",
        },
    )
    assert found == Limits(cores=4, memory=6 * GIB)


def test_limits_of_a_container_whose_path_is_the_hosts(tmp_path):
    files = {"cpu.max": "50000 100000", "memory.max": str(GIB), "cpuset.cpus.effective": "2"}
    found = groups(tmp_path, "0::/docker/3f2a\n", files)
    assert found == Limits(cores=1, memory=GIB)
    assert groups(tmp_path, "0::/\n", {}) == found


def test_limits_of_version_1_groups(tmp_path):
    lines = "9:name=systemd:/x\n4:memory:/job\n3:cpuset:/job\n2:cpu,cpuacct:/job\n0::/\n"
    files = {
        "memory/job/memory.limit_in_bytes": str(3 * GIB),
        "memory/memory.limit_in_bytes": str(2**63 - 4096),
        "cpuset/job/cpuset.cpus": "0-15",
        "cpu,cpuacct/job/cpu.cfs_quota_us": "600000",
        "cpu,cpuacct/job/cpu.cfs_period_us": "100000",
    }
    assert groups(tmp_path, lines, files) == Limits(cores=6, memory=3 * GIB)
    (tmp_path / "cgroup/cpu,cpuacct/job/cpu.cfs_quota_us").write_text("-1\n")
    assert groups(tmp_path, lines, {}) == Limits(cores=16, memory=3 * GIB)


def test_no_groups_and_no_limits(tmp_path):
    nothing = Limits(cores=None, memory=None)
    assert limits.cgroup(tmp_path / "absent", tmp_path) == nothing
    assert (
        groups(tmp_path, "0::/a\n", {"a/cpu.max": "max 100000", "a/memory.max": "max"}) == nothing
    )


def test_the_machine_has_what_the_groups_leave(tmp_path):
    groups(tmp_path, "0::/a\n", {"a/cpu.max": "100000 100000", "a/memory.max": str(GIB)})
    assert limits.machine(tmp_path / "self", tmp_path / "cgroup") == Limits(1, GIB)
    free = limits.machine(tmp_path / "absent", tmp_path)
    assert free.memory == psutil.virtual_memory().total
    assert 1 <= free.cores <= os.cpu_count()


def test_gpus_that_may_be_used():
    assert gpus.chosen(0, "0,1") == [] and gpus.chosen(0, None) == []
    assert gpus.chosen(4, " 3, 1") == ["3", "1"]
    assert gpus.chosen(2, "GPU-8a5b,MIG-1f") == ["GPU-8a5b", "MIG-1f"]
    assert gpus.chosen(2, "-1") == []


def test_arguments_of_a_cluster_of_gpus(monkeypatch):
    monkeypatch.setattr(cuda, "find_spec", lambda name: None)
    machine = Limits(16, 128 * GIB)
    found = cuda.keywords(["0", "1", "3"], machine)
    assert found == {
        "CUDA_VISIBLE_DEVICES": ["0", "1", "3"],
        "n_workers": 3,
        "threads_per_worker": 1,
        "memory_limit": int(0.85 * 128 * GIB) // 3,
        "device_memory_limit": 0.5,
    }
    with pytest.raises(ImportError, match="pip install distributed-ucxx"):
        cuda.keywords(["0"], machine, protocol="ucx")
    with pytest.raises(ValueError, match="workers=2, but there are GPUs for 1"):
        cuda.keywords(["0"], machine, workers=2)
    monkeypatch.setattr(cuda, "find_spec", lambda name: object())
    found = cuda.keywords(["0", "1"], machine, workers=1, memory="10GB", protocol="ucx")
    assert found["CUDA_VISIBLE_DEVICES"] == ["0"] and found["memory_limit"] == 10**10
    assert (found["rmm_pool_size"], found["rmm_maximum_pool_size"]) == (0.25, 0.5)
    assert found["enable_cudf_spill"] is True and found["protocol"] == "ucx"


def test_dask_cuda_knows_the_arguments():
    dask_cuda = pytest.importorskip("dask_cuda", reason="dask-cuda is not installed")
    import inspect

    known = set(inspect.signature(dask_cuda.LocalCUDACluster).parameters)
    given = cuda.keywords(["0"], Limits(2, GIB))
    assert set(given) <= known


@pytest.mark.gpu
def test_one_worker_a_gpu():
    pytest.importorskip("dask_cuda", reason="dask-cuda is not installed")
    there = gpus.visible()
    if not there:
        pytest.skip("this machine has no GPU")
    with cluster.start("cuda", dashboard=None) as client:
        assert client.scheduler.address.startswith("tcp://127.0.0.1")
        seen = client.run(lambda: os.environ["CUDA_VISIBLE_DEVICES"].split(",")[0])
        assert sorted(seen.values()) == sorted(there)
        assert cluster.start("cuda", dashboard=None) is client


def test_links_to_the_dashboard(monkeypatch):
    hub = {"JUPYTERHUB_SERVICE_PREFIX": "/user/me/"}

    def link(environment, **given):
        return dashboard.template(dashboard.PLAIN, environment, **given)

    assert link({}, ours=True, listens="127.0.0.1:0") == "{scheme}://127.0.0.1:{port}/status"
    assert link({}, ours=True, listens="0.0.0.0:0") == dashboard.PLAIN
    assert link({}, ours=False, listens="") == dashboard.PLAIN
    assert "proxy/{host}:{port}/status" in link(hub, ours=False, listens="")
    known = {**hub, "JUPYTERHUB_PUBLIC_URL": "https://hub.org/user/me/"}
    assert link(known, ours=True, listens="") == "{JUPYTERHUB_PUBLIC_URL}proxy/{port}/status"
    own = "https://here/{port}"
    assert dashboard.template(own, hub, ours=True, listens="127.0.0.1:0") == own
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/me/")
    with small(dashboard="127.0.0.1:0", processes=False) as client:
        port = client.scheduler_info()["services"]["dashboard"]
        assert client.dashboard_link == f"/user/me/proxy/{port}/status"
        assert f"/user/me/proxy/{port}/status" in client._repr_html_()


def test_who_sits_before_it_is_told_where_the_dashboard_is(monkeypatch, capsys):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with small(dashboard="127.0.0.1:0", processes=False) as client:
        told = f"dashboard: http://127.0.0.1:{client.scheduler_info()['services']['dashboard']}"
        assert capsys.readouterr().out.startswith(told)
        # The cell runs again, and what it has shown before is gone.
        assert small(dashboard="127.0.0.1:0", processes=False) is client
        assert capsys.readouterr().out.startswith(told)
    with small(processes=False) as client:
        assert cluster.start() is client
    assert capsys.readouterr().out == ""


def test_a_script_without_the_guard_is_told_of_it(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import datamerge as dm\ndm.cluster.start('local', workers=1, dashboard=None)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "put what it does below a line that says: if __name__ == '__main__':" in done.stderr


def test_a_worker_comes_back_whoever_is_told_of_progress():
    with dask.config.set({"datamerge.reporter": lambda progress: None}):  # which can't be copied
        with cluster.start("local", workers=1, dashboard=None) as client:
            before = client.submit(os.getpid, pure=False).result()
            os.kill(before, signal.SIGKILL)
            assert client.submit(os.getpid, pure=False).result() != before
        assert dask.config.get("datamerge.reporter")(None) is None


def test_workers_with_gpus_leave_interrupts_to_the_client(monkeypatch):
    """As far as that goes without GPUs: in a cluster that has its own preload, as dask-cuda's."""
    from distributed import Client, LocalCluster

    class Cluster(LocalCluster):
        def __init__(self, **options):
            super().__init__(n_workers=0, **options)
            self.new_spec["options"]["preload"] = [*options["preload"], "import this"]
            self.scale(1)

    monkeypatch.setitem(sys.modules, "dask_cuda", SimpleNamespace(LocalCUDACluster=Cluster))
    with (
        cuda.launch({"dashboard_address": "127.0.0.1:0"}) as started,
        Client(started) as client,
    ):
        client.wait_for_workers(1)
        handlers = client.run(signal.getsignal, signal.SIGINT)
        assert list(handlers.values()) == [signal.SIG_IGN]
