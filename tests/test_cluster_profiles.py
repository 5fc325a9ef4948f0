"""Profiles of job queues, and what is asked of a queue because of them."""

from __future__ import annotations

from pathlib import Path

import dask
import pytest
import yaml

from datamerge import cli, cluster, workdir
from datamerge.cluster import jobqueue, profiles

PROFILES = """\
datamerge:
  cluster:
    profiles:
      small: {kind: slurm, queue: debug, cores: 2, memory: 4GiB, interface: lo}
      gpu:
        kind: slurm
        queue: gpu
        account: lab
        cores: 16
        memory: 128GB
        gpus: 4
        walltime: 1-00:00:00
        jobs: [0, 8]
        interface: lo
        setup: [module load cuda/13]
        directives: [--exclusive]
"""


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A folder of Dask's settings that was written after Dask was imported."""
    settings = tmp_path / "dask" / "datamerge-jobs.yaml"
    settings.parent.mkdir()
    settings.write_text(PROFILES)
    monkeypatch.setattr(dask.config, "paths", [str(settings.parent)])
    with dask.config.set({"datamerge.workdir": str(tmp_path / "workdir")}):
        yield tmp_path


def keywords(kind: str, **given) -> dict:
    profile = profiles.make({"kind": kind, **given}, "test")
    return jobqueue.keywords(profile, dashboard="127.0.0.1:0")


def test_profiles_are_found_by_name_and_in_files(configured):
    assert profiles.find("small")["queue"] == "debug"
    with dask.config.set({"datamerge.cluster.profiles": {"small": {"kind": "pbs"}}}):
        assert profiles.find("small") == {"kind": "pbs"}  # what is set counts more than a file
        assert profiles.find("gpu")["gpus"] == 4
    file = configured / "dask" / "datamerge-jobs.yaml"
    assert profiles.find(f"{file}#gpu")["gpus"] == 4
    short = configured / "one.yaml"
    short.write_text("kind: sge\ncores: 4\n")
    assert profiles.find(str(short)) == {"kind": "sge", "cores": 4}
    short.write_text("a: {kind: sge}\n")
    assert profiles.find(str(short)) == profiles.find(f"{short}#a") == {"kind": "sge"}


def test_a_missing_profile_is_told_with_those_there_are(configured):
    with pytest.raises(ValueError, match=r"no profile 'huge' .*~/.config/dask.*there: small, gpu"):
        cluster.plan(profile="huge")
    with pytest.raises(ValueError, match=r"no profile '' in .*there: small, gpu"):
        cluster.plan(profile=str(configured / "dask" / "datamerge-jobs.yaml"))
    with pytest.raises(ValueError, match="cannot be read"):
        cluster.plan(profile=str(configured / "absent.yaml"))
    (configured / "list.yaml").write_text("[1, 2]")
    with pytest.raises(ValueError, match="holds no profiles"):
        cluster.plan(profile=str(configured / "list.yaml"))
    with pytest.raises(ValueError, match="profile 'gpu' is of kind 'slurm', not 'pbs'"):
        cluster.plan("pbs", profile="gpu")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"que": "x"}, "there is no 'que' .did you mean 'queue'"),
        ({"kind": "torque"}, "kind='torque'; it is one of slurm, pbs, lsf, sge"),
        ({"cores": 0}, "cores: 0"),
        ({"cores": "four"}, "cores: 'four'"),
        ({"gpus": -1}, "gpus: -1"),
        ({"memory": "lots"}, "lots"),
        ({"walltime": 14400}, "walltime: 14400 is not .*quoted"),
        ({"jobs": [4, 2]}, r"jobs: \(4, 2\) is neither"),
        ({"jobs": 0}, "at least one"),
        ({"setup": "module load x"}, "setup and directives are lists"),
    ],
)
def test_what_is_wrong_with_a_profile_is_told(wrong, told):
    with pytest.raises(ValueError, match=f"profile 'p': .*{told}"):
        profiles.make({"kind": "slurm", **wrong}, "profile 'p'")


def test_the_profiles_of_the_docs_are_right():
    page = (Path(__file__).parents[1] / "docs" / "slurm.md").read_text()
    file, more = [
        yaml.safe_load(block.removeprefix("yaml"))
        for block in page.split("```")
        if block.startswith("yaml")
    ]
    content = {**file["datamerge"]["cluster"]["profiles"], **more}
    made = {name: profiles.make(profile, name) for name, profile in content.items()}
    assert made["cpu"].jobs == (1, 10) and made["gpu"].processes == 4
    assert made["big"].directives == ("-pe smp 16", "-l h_vmem=4G")


def test_a_job_is_cut_up_into_processes():
    def made(**given):
        return profiles.make({"kind": "slurm", **given}, "test").processes

    assert made(cores=16, memory="64GiB") == 16  # one a core
    assert made(cores=16, memory="4GiB") == 4  # as far as the memory goes
    assert made(cores=16, memory="64GiB", gpus=4) == 4
    assert made(cores=16, processes=2) == 2


def test_arguments_for_a_queue(configured):
    found = keywords("slurm", cores=4, memory="8GiB", interface="lo", walltime="02:00:00")
    assert found["processes"] == 4 and found["walltime"] == "02:00:00"
    assert found["worker_extra_args"] == [
        "--dashboard-address=127.0.0.1:0", "--lifetime=6480s", "--lifetime-stagger=360s"
    ]  # fmt: skip
    assert found["job_script_prologue"] == [f"export DATAMERGE_WORKDIR={configured / 'workdir'}"]
    assert found["scheduler_options"] == {
        "dashboard": True, "dashboard_address": "127.0.0.1:0", "interface": "lo"
    }  # fmt: skip
    assert found["log_directory"] == str(workdir.root() / "jobs")
    other = keywords("slurm", host="10.0.0.1", options={"job_cpu": 8, "walltime": "1"})
    assert other["scheduler_options"]["host"] == "10.0.0.1" and "interface" not in other
    assert other["job_cpu"] == 8 and other["walltime"] == "1"  # what is given as it is counts most
    assert keywords("lsf", walltime="1-02:30:00", account="lab")["walltime"] == "26:30"
    assert keywords("lsf", account="lab")["project"] == "lab"
    assert keywords("pbs", account="lab")["account"] == "lab"


def test_workers_end_before_their_job_is_killed():
    for walltime in (60, 120, 300, 3600, 86400, 7 * 86400):
        lifetime, stagger = jobqueue.lasting(walltime)
        assert 0 < stagger < lifetime and lifetime + stagger < walltime
        assert lifetime >= walltime // 2


def test_gpus_are_asked_for_in_each_queues_words():
    slurm = keywords("slurm", gpus=4, cores=8, memory="64GB", directives=["--exclusive"])
    assert slurm["job_extra_directives"] == ["--gres=gpu:4", "--exclusive"]
    assert slurm["worker_command"] == "dask_cuda.cli" and slurm["processes"] == 4
    assert slurm["worker_extra_args"][:3] == [
        "--dashboard-address=127.0.0.1:0", "--device-memory-limit", "0.5"
    ]  # fmt: skip
    lines = slurm["job_script_prologue"]
    assert "export DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION=3240s" in lines
    assert keywords("lsf", gpus=2)["job_extra_directives"] == ['-gpu "num=2"']
    assert keywords("sge", gpus=2)["job_extra_directives"] == ["-l gpu=2"]
    pbs = keywords("pbs", gpus=2, cores=4, memory="1GiB")
    assert pbs["resource_spec"] == "select=1:ncpus=4:ngpus=2:mem=1024MB"


@pytest.mark.parametrize("kind", profiles.KINDS)
def test_scripts_of_jobs(kind, configured):
    pytest.importorskip("dask_jobqueue")
    options = keywords(kind, queue="long", account="lab", cores=2, memory="4GiB", interface="lo")
    lines = jobqueue.script(kind, options).splitlines()
    worker = next(line for line in lines if "distributed.cli.dask_worker" in line)
    assert "--nthreads 1 --memory-limit 2.00GiB --nworkers 2" in worker
    assert "--lifetime=3240s" in worker and worker.endswith("--interface lo")
    assert lines.index(f"export DATAMERGE_WORKDIR={configured / 'workdir'}") < lines.index(worker)
    marks = {"slurm": "#SBATCH -", "pbs": "#PBS -", "lsf": "#BSUB -", "sge": "#$ -"}
    asked = [line for line in lines if line.startswith(marks[kind])]
    assert any(line.endswith((" -J datamerge", " -N datamerge")) for line in asked)
    assert any("long" in line for line in asked) and any("lab" in line for line in asked)
    gpu = keywords(kind, cores=2, memory="4GiB", gpus=2, interface="lo")
    text = jobqueue.script(kind, gpu)
    assert "-m dask_cuda.cli tcp://SCHEDULER" in text and "gpu" in text
    assert "--nworkers" not in text and "--nanny" not in text  # dask-cuda's worker has neither


def test_what_is_missing_is_told(configured, monkeypatch):
    monkeypatch.setattr(jobqueue, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'datamerge\[hpc\]'"):
        cluster.plan(profile="small")
    monkeypatch.setattr(jobqueue, "find_spec", lambda name: object())
    monkeypatch.setenv("PATH", str(configured))
    with pytest.raises(RuntimeError, match="there is no sbatch here"):
        cluster.plan(profile="small")
    (configured / "sbatch").write_text("#!/bin/sh\n")
    (configured / "sbatch").chmod(0o755)
    with pytest.raises(ValueError, match="interface='lo7'; there is .*lo"):
        cluster.plan("slurm", profile="small", interface="lo7")
    with pytest.raises(ValueError, match=r"name the network .*interface= .here: .*lo.* or host="):
        cluster.plan("slurm", cores=2)
    with pytest.raises(ValueError, match="a folder with a space: /my logs"):
        cluster.plan(profile="small", log_directory="/my logs")
    assert cluster.plan(profile="small").kind == "slurm"


def test_sge_is_told_how_to_ask_for_cores(monkeypatch):
    monkeypatch.setattr(jobqueue.shutil, "which", lambda name: name)
    monkeypatch.setattr(jobqueue, "find_spec", lambda name: object())

    def plan(**given):
        return cluster.plan("sge", interface="lo", **given).profile

    with pytest.raises(ValueError, match=r"directives, such as \['-pe smp 4'\]"):
        plan(cores=4, directives=["-l exclusive"])
    assert plan(cores=4, directives=["-pe mpi 4"]).cores == 4
    assert plan(cores=4, options={"resource_spec": "slots=4"}).cores == 4
    assert plan(cores=1).cores == 1


def test_what_is_given_counts_more_than_the_profile(configured, monkeypatch):
    monkeypatch.setattr(jobqueue, "require", lambda profile: None)
    plan = cluster.plan("slurm", profile="gpu", workers=(4, 9), host="10.0.0.1", queue="long")
    assert plan.adapt == (1, 3)  # jobs of four workers
    assert plan.options["queue"] == "long" and plan.options["account"] == "lab"
    assert plan.profile.host == "10.0.0.1" and plan.profile.interface is None
    assert cluster.plan(profile="gpu").adapt == (0, 8)
    assert cluster.plan(profile="small", threads=2).options["processes"] == 1
    assert cluster.plan(profile="small", workers=5).profile.jobs == 3
    assert cluster.plan(profile="small") == cluster.plan("slurm", profile="small")
    assert cluster.plan(profile="small") != cluster.plan(profile="small", queue="long")
    with pytest.raises(ValueError, match="no 'quue' .did you mean 'queue'"):
        cluster.plan(profile="small", quue="long")


def test_the_command_line_checks_the_cluster_before_any_work(configured, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(configured))
    monkeypatch.chdir(configured)
    for given, told in {
        ("--cluster", "slrum"): "--cluster slrum: kind='slrum'; it is one of auto, local",
        ("--profile", "huge"): "no profile 'huge'",
        ("--cluster", "local", "--profile", "small"): "is of kind 'slurm', not 'local'",
        ("--cluster", "slurm", "--profile", "small"): "'slurm'",  # the extra or sbatch is missing
        ("--cluster", "tcp://127.0.0.1:1", "--workers", "2"): "a cluster that runs has its",
    }.items():
        assert cli.main(["demo", *given]) == cli.WRONG
        assert told in capsys.readouterr().err
    assert not (configured / "out").exists()
