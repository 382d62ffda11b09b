"""Sweeps whose processes are killed: real ones, by real signals."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from distributed import Client, get_task_stream

from pvae_brian.sweep import load_sweep, run

from .sweep_examples import assert_comes_to, compute_alone, save_images, small_study

pytestmark = pytest.mark.slow

# Each point takes about a second, so that a signal comes in the middle of the work.
EPOCHS = 200
PATIENCE_S = 120


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = save_images(tmp_path_factory.mktemp("images") / "images.npy")
    return small_study(path, epochs=EPOCHS, tolerance=None)


@pytest.fixture(scope="module")
def expected(study):
    return compute_alone(study)


@pytest.fixture
def start(study, tmp_path) -> Iterator[Callable]:
    """Start the command, as a terminal would: in a group of its own."""
    started = []

    def start_command(*options) -> subprocess.Popen:
        command = [sys.executable, "-m", "pvae_brian", "sweep", "study", *map(str, options)]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # pytest may run where Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        started.append(process)
        return process

    yield start_command
    for process in started:
        process.kill()
        process.communicate()


def options_of(study) -> list:
    return [
        *("--betas", *study.betas),
        *("--latents", *study.n_latents),
        *("--models", *study.models),
        *("--data", study.data),
        *("--epochs", study.epochs),
        *("--batch-size", study.batch_size),
        *("--learning-rate", study.learning_rate),
        *("--tolerance", study.tolerance),
    ]


def wait_for(condition: Callable):
    ends = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)
    return found


def finished(tmp_path) -> dict[str, tuple]:
    """Names of finished points, with what would change if they were written again."""
    return {
        path.parent.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (tmp_path / "study" / "points").glob("[!.]*/point.json")
    }


def workers_of(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def assert_all_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []


def test_a_worker_is_killed(study, expected, tmp_path, capfd):
    """One of our own, on this machine: another takes its point, and nothing is said of it."""
    with ThreadPoolExecutor(1) as pool:
        sweep = pool.submit(run, tmp_path / "study", study, n_workers=2)
        wait_for(lambda: sweep.done() or finished(tmp_path))
        assert len(finished(tmp_path)) < 4
        workers = workers_of(os.getpid())
        assert len(workers) == 2
        workers[0].kill()
        assert_comes_to(sweep.result(timeout=PATIENCE_S), expected)
    assert len(finished(tmp_path)) == 4
    assert_all_gone(workers)
    assert capfd.readouterr() == ("", "")


SLOW_TO_DIE = """
import sys
from pvae_brian.cli import main
from pvae_brian.sweep import cluster

if __name__ == "__main__":
    cluster._LAST_SECONDS = 1e-9
    sys.exit(main(sys.argv[1:]))
"""


def test_workers_that_are_slow_to_die_fail_nothing(study, tmp_path):
    """On a busy machine they are killed and not gone when the sweep ends."""
    script = tmp_path / "script.py"
    script.write_text(SLOW_TO_DIE)
    options = [*options_of(study), "--latents", 4, "--betas", 2, "--epochs", 1, "--workers", 2]
    result = subprocess.run(
        [sys.executable, script, "sweep", "study", *map(str, options), "--seeds", "0", "1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE_S,
    )
    assert result.returncode == 0, result.stderr
    told = {line.split(":")[0] for line in result.stderr.splitlines()}
    assert told == {"2 points to compute", *finished(tmp_path)}


def test_the_command_is_killed_and_run_again(study, expected, start, tmp_path):
    process = start(*options_of(study), "--workers", 2)
    before = wait_for(lambda: finished(tmp_path))
    # While it is at work nobody else may.
    with pytest.raises(RuntimeError, match="another sweep is at work in"):
        run(tmp_path / "study")
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert len(family) >= 3
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert_all_gone(family)
    before = finished(tmp_path)
    assert 1 <= len(before) < 4

    again = start(*options_of(study), "--workers", 2)
    _, error = again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 0, error
    n = len(before)
    assert error.startswith(f"{4 - n} points to compute, {n} are there already\n")
    assert len(re.findall("prior rate cost", error)) == 4 - n
    after = finished(tmp_path)
    assert {name: after[name] for name in before} == before
    assert_comes_to(load_sweep(tmp_path / "study"), expected)
    assert list((tmp_path / "study" / "points").glob(".*")) == []


@pytest.mark.parametrize("send", [os.killpg, os.kill], ids=["terminal", "main process alone"])
def test_ctrl_c(study, start, tmp_path, send):
    """On a terminal it reaches all processes of the group, from `kill -INT` only ours."""
    process = start(*options_of(study), "--seeds", 0, 1, 2, 3, "--workers", 1)
    wait_for(lambda: finished(tmp_path))
    family = psutil.Process(process.pid).children(recursive=True)
    send(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130, error
    *_, last = error.splitlines()
    assert last.startswith("pvae-brian sweep: interrupted; finished points are kept. ")
    assert last.endswith("Go on with: pvae-brian sweep study")
    assert "Traceback" not in error
    assert "leaked" not in error
    assert_all_gone(family)
    sweep = load_sweep(tmp_path / "study")
    assert len(sweep.table) == len(finished(tmp_path)) >= 1
    assert len(sweep.table) + len(sweep.missing) == 16


@pytest.fixture
def cluster(tmp_path) -> Iterator[str]:
    """A scheduler and two workers as programs of their own, which meet over TCP."""
    file = tmp_path / "scheduler.json"
    scheduler = ["dask_scheduler", "--port", "0", "--scheduler-file", file, "--no-dashboard"]
    worker = ["dask_worker", "--scheduler-file", file, "--nthreads", "1", "--no-dashboard"]
    commands = [
        [*scheduler, "--dashboard-address", "127.0.0.1:0", "--host", "127.0.0.1"],
        *([*worker, "--local-directory", tmp_path / name] for name in "ab"),
    ]
    (tmp_path / "elsewhere").mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{name}", *map(str, options)],
            # Not where the client is, and not where its files are.
            cwd=tmp_path / "elsewhere",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, *options in commands
    ]
    try:
        wait_for(file.exists)
        yield wait_for(lambda: json.loads(file.read_text() or "{}").get("address"))
    finally:
        for process in processes:
            for child in (*psutil.Process(process.pid).children(recursive=True), process):
                child.kill()
            process.wait()


def test_a_cluster_over_tcp(study, expected, cluster, tmp_path, monkeypatch):
    """Two workers share the points, and find data by a relative path from another folder."""
    monkeypatch.chdir(os.path.dirname(study.data))
    study = dataclasses.replace(study, betas=(2,), models=("poisson", "gaussian-relu"))
    with Client(cluster, set_as_default=False) as watching:
        watching.wait_for_workers(2, timeout=PATIENCE_S)
        with get_task_stream(client=watching) as stream:
            sweep = run(tmp_path / "study", study, scheduler=cluster, data="images.npy")
    done = [task for task in stream.data if task["key"].startswith("pvae_brian_point")]
    assert len(done) == 4
    assert len({task["worker"] for task in done}) == 2
    controls = compute_alone(dataclasses.replace(study, models=("gaussian-relu",)))
    assert_comes_to(sweep, {p: v for p, v in expected.items() if p.beta == 2} | controls)
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == []
