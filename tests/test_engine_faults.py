"""Killed workers, processes and compilers, full disks, damaged files, interrupts: never a wrong
or partial result, nothing that keeps running, and the next run works.

Real processes and signals, found through /proc.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from brian2 import prefs
from filelock import FileLock

from pvae_brian import Poisson, simulate
from pvae_brian.engine import BuildError, EngineError
from pvae_brian.engine.standalone import cache, worker

from .marks import needs_compiler

pytestmark = [
    needs_compiler,
    pytest.mark.skipif(not Path("/proc/self/exe").exists(), reason="processes are found by /proc"),
]

PATIENCE_S = 60
# Takes seconds: long enough to be interrupted.
LARGE = "np.full((20_000, 500), 20.0)"
SMALL_RATES = np.full((40, 50), 3.0)


def processes_in(folder: Path) -> list[int]:
    """Processes whose program or working folder lies in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            for link in ("exe", "cwd"):
                try:
                    inside = os.readlink(entry / link).startswith(f"{folder}/")
                    # The dead that nobody has waited for yet do not run.
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                except OSError:
                    continue
                if inside and state != "Z":
                    found.append(int(entry.name))
                    break
    return found


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    return value


def start(code: str, folder: Path, **keywords) -> subprocess.Popen:
    """Run Python code in a process that has its cache in a folder."""
    prelude = "import numpy as np\nfrom pvae_brian import simulate\n"
    return subprocess.Popen(
        [sys.executable, "-c", prelude + textwrap.dedent(code)],
        env=os.environ | {"PVAE_BRIAN_CACHE": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **keywords,
    )


def interruptible(rates: str) -> str:
    return f"""
        try:
            simulate({rates}, device="cpp_standalone")
        except KeyboardInterrupt:
            print("interrupted")
    """


@pytest.fixture
def cold_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cold"
    monkeypatch.setattr(cache, "_built_for_this_process", {})
    monkeypatch.setenv("PVAE_BRIAN_CACHE", str(folder))
    yield folder
    wait_for(lambda: not processes_in(folder))


@pytest.fixture
def warm_cache(cold_cache, program_cache, expected):
    """A cache of one's own with one program in it: others may be at work in the common one."""
    kind = ("poisson", "counts")
    (entry,) = (e for e in _entries_of(program_cache) if (e.neuron, e.record) == kind)
    shutil.copytree(entry.folder, cold_cache / entry.folder.name)
    return cold_cache


def _entries_of(folder: Path) -> list[cache.Entry]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PVAE_BRIAN_CACHE", str(folder))
        return cache.entries()


@pytest.fixture(scope="module")
def expected():
    return simulate(SMALL_RATES, seed=4, device="cpp_standalone").counts


def check_next_run(expected) -> None:
    record = simulate(SMALL_RATES, seed=4, device="cpp_standalone")
    np.testing.assert_array_equal(record.counts, expected)


def test_a_killed_worker(expected, warm_cache, monkeypatch):
    """One of two workers dies in the middle: an error that says so, and no process is left."""
    pids = []
    begin = worker.Worker.__enter__

    def note(self):
        begin(self)
        pids.append(self._process.pid)
        return self

    monkeypatch.setattr(worker.Worker, "__enter__", note)
    killer = threading.Timer(0.3, lambda: os.kill(wait_for(lambda: pids)[-1], signal.SIGKILL))
    killer.start()
    with pytest.raises(EngineError, match=r"ended in the middle of its work \(killed by SIGKILL"):
        simulate(eval(LARGE), device="cpp_standalone", n_workers=2)
    killer.join()
    assert not set(pids) & set(processes_in(warm_cache))
    check_next_run(expected)


def test_a_worker_that_stops_answering_does_not_outlive_an_interrupt(expected, warm_cache):
    process = start(interruptible(LARGE), warm_cache, start_new_session=True)
    wait_for(lambda: processes_in(warm_cache))
    for pid in processes_in(warm_cache):
        os.kill(pid, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=PATIENCE_S)
    assert output == "interrupted\n", error
    wait_for(lambda: not processes_in(warm_cache))
    check_next_run(expected)


@pytest.mark.parametrize("device", ["numpy", "cpp_standalone"])
def test_an_interrupt(device, expected, warm_cache, tmp_path):
    """Ctrl-C reaches all processes of the terminal; the script goes on, without a result."""
    results = tmp_path / "results"
    results.mkdir()
    code = f"""
        record = None
        print("ready", flush=True)
        try:
            record = simulate({LARGE}, device={device!r}, out={str(results / "record")!r})
        except KeyboardInterrupt:
            print("interrupted", record)
        from brian2 import Network, NeuronGroup, ms
        group = NeuronGroup(1, "v : 1", threshold="v > 1", reset="")
        Network(group).run(1*ms)
        print(simulate({SMALL_RATES.tolist()}, seed=4, device={device!r}).counts.sum())
    """
    process = start(code, warm_cache, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    # In the middle: workers run, or the first networks do.
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    output, error = process.communicate(timeout=PATIENCE_S)
    assert output.splitlines()[0] == "interrupted None", error
    if device == "cpp_standalone":
        assert output.splitlines()[1] == str(expected.sum())
    assert process.returncode == 0
    assert not list(results.iterdir())
    wait_for(lambda: not processes_in(warm_cache))


@pytest.mark.parametrize(
    "job",
    [LARGE, "[[1.0]], n_steps=10**9"],
    ids=["many parts", "one part that would take an hour"],
)
def test_a_killed_process_takes_its_workers_along(job, expected, warm_cache):
    process = start(f"simulate({job}, device='cpp_standalone')", warm_cache)
    wait_for(lambda: processes_in(warm_cache))
    process.kill()
    process.communicate()
    wait_for(lambda: not processes_in(warm_cache))
    check_next_run(expected)


def compilers_in(folder: Path) -> list[int]:
    names = {pid: Path(f"/proc/{pid}/comm") for pid in processes_in(folder)}
    found = []
    for pid, path in names.items():
        try:
            if path.read_text().strip() in ("cc1plus", "clang++", "clang"):
                found.append(pid)
        except OSError:
            continue
    return found


def test_a_killed_compiler(cold_cache, expected):
    process = start("simulate([[1.0]], device='cpp_standalone')", cold_cache)
    while process.poll() is None:
        for pid in compilers_in(cold_cache):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.005)
    _, error = process.communicate()
    assert process.returncode == 1
    assert "BuildError: the C++ program could not be built" in error
    assert [path.suffix for path in cold_cache.iterdir()] == [".lock"]
    check_next_run(expected)


def test_a_process_killed_while_it_builds(cold_cache, expected):
    process = start("simulate([[1.0]], device='cpp_standalone')", cold_cache)
    wait_for(lambda: compilers_in(cold_cache))
    process.kill()
    process.communicate()
    wait_for(lambda: not processes_in(cold_cache))
    assert cache.entries() == []
    check_next_run(expected)
    # The next build has cleaned up.
    assert not list(cold_cache.glob(".building-*"))
    assert len(cache.entries()) == 1


def test_an_interrupt_while_it_builds(cold_cache, expected):
    process = start(interruptible("[[1.0]]"), cold_cache, start_new_session=True)
    wait_for(lambda: compilers_in(cold_cache))
    os.killpg(process.pid, signal.SIGINT)
    output, error = process.communicate(timeout=PATIENCE_S)
    assert output == "interrupted\n", error
    assert not processes_in(cold_cache)
    assert [path.suffix for path in cold_cache.iterdir()] == [".lock"]
    check_next_run(expected)


def test_two_processes_on_a_cold_cache(cold_cache, expected):
    code = f"""
        record = simulate({SMALL_RATES.tolist()}, seed=4, device="cpp_standalone")
        print(record.counts.sum())
    """
    processes = [start(code, cold_cache) for _ in range(2)]
    for process in processes:
        output, error = process.communicate()
        assert output.strip() == str(expected.sum()), error
    assert len(cache.entries()) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda program: program.write_bytes(program.read_bytes()[:-100]),
        lambda program: program.write_bytes(b"\x00" * 5000),
        lambda program: program.unlink(),
        lambda program: (program.parent / "entry.json").write_text("{}"),
        lambda program: (program.parent / "entry.json").write_bytes(b"\xff\x00"),
    ],
    ids=["cut", "zeros", "gone", "empty description", "no description"],
)
def test_a_damaged_program_is_built_again(damage, warm_cache, expected):
    (entry,) = cache.entries()
    damage(entry.folder / "main")
    check_next_run(expected)
    assert [found.folder for found in cache.entries()] == [entry.folder]


def test_a_program_that_speaks_another_protocol(warm_cache):
    """As good as its digest, and yet not ours: an error, not a wait without end."""
    (entry,) = cache.entries()
    program = cache.Program(entry.folder, 100, False)
    for script, cause in (("echo hello world", "speaks another protocol"), ("exit 3", "status 3")):
        (entry.folder / "main").write_text(f"#!/bin/sh\n{script}\n")
        with (
            pytest.raises(BuildError, match=f"does not start: .*{cause}.*cache clear"),
            worker.Worker(program, Poisson(), 1.0, 100),
        ):
            pass


def test_a_program_that_may_not_run_here(warm_cache):
    """As in a folder that allows no programs: 'auto' does without."""
    (entry,) = cache.entries()
    (entry.folder / "main").chmod(0o644)
    with pytest.raises(BuildError, match=r"does not start: .*Permission denied"):
        simulate([[1.0]], device="cpp_standalone")
    with pytest.warns(UserWarning, match="simulating on numpy: the compiled program"):
        assert simulate(np.full((3000, 1000), 0.01)).device == "numpy"


def test_more_neurons_than_the_program_has(warm_cache):
    """The program checks what it gets, and never answers half a question."""
    from pvae_brian.engine.standalone import find_or_build

    program = find_or_build(Poisson(), 2**13, False)
    with (
        worker.Worker(program, Poisson(), 1.0, 100) as running,
        pytest.raises(EngineError, match="exit status 2"),
    ):
        running.run(np.ones(2**13 + 1), np.zeros(2**13 + 1), np.zeros(8, np.uint32))


def test_a_cache_that_cannot_be_written(tmp_path, expected, monkeypatch):
    """Compiled for this process only, with a warning, and gone with it."""
    code = f"""
        import tempfile, warnings
        from pathlib import Path
        from pvae_brian.engine.standalone import cache
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                record = simulate({SMALL_RATES.tolist()}, seed=4, device="cpp_standalone")
        print(record.counts.sum())
        print(*[w.message for w in caught if "cannot be written" in str(w.message)], sep="|")
        print(*cache._built_for_this_process.values())
    """
    # Not even an administrator makes folders there.
    process = start(code, Path("/proc/pvae_brian"))
    output, error = process.communicate()
    counts, warning, folder = output.splitlines()
    assert counts == str(expected.sum()), error
    assert warning.startswith("the cache folder /proc/pvae_brian cannot be written")
    assert warning.count("PVAE_BRIAN_CACHE") == 1
    assert not Path(folder).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="an administrator may write everywhere")
def test_a_warm_cache_that_cannot_be_written_still_serves(warm_cache, expected):
    warm_cache.chmod(0o500)
    try:
        check_next_run(expected)
    finally:
        warm_cache.chmod(0o700)


def test_files_that_cannot_grow(cold_cache, expected):
    """As on a full disk: writes fail in the middle."""
    code = """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        simulate([[1.0]], device="cpp_standalone")
    """
    process = start(code, cold_cache)
    _, error = process.communicate()
    assert process.returncode == 1
    assert "BuildError: the C++ program could not be built" in error
    assert [path.suffix for path in cold_cache.iterdir()] == [".lock"]
    check_next_run(expected)


@pytest.fixture
def small_disk(tmp_path):
    """A disk that what the compiler writes does not fit on."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"only an administrator can mount a small disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(small_disk, expected, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("PVAE_BRIAN_CACHE", str(small_disk / "cache"))
        with pytest.raises(BuildError, match="No space left"):
            simulate([[1.0]], device="cpp_standalone")
    assert [path.suffix for path in (small_disk / "cache").iterdir()] == [".lock"]
    check_next_run(expected)


def test_a_build_that_another_process_never_ends(cold_cache, monkeypatch):
    cold_cache.mkdir()
    others = []

    def lock(path, timeout):
        others.append(FileLock(path))
        others[0].acquire()
        return FileLock(path, timeout=0.2)

    monkeypatch.setattr(cache, "FileLock", lock)
    with pytest.raises(BuildError, match="another process has been building"):
        simulate([[1.0]], device="cpp_standalone")
    others[0].release()


def test_without_a_compiler(cold_cache, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(BuildError, match="needs a C\\+\\+ compiler"):
        simulate([[1.0]], device="cpp_standalone")
    assert simulate(np.full((3000, 1000), 0.01)).device == "numpy"


def test_auto_does_without_a_compiler_that_does_not_work(cold_cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "false")
    with pytest.warns(UserWarning, match="simulating on numpy: the C\\+\\+ program could not be"):
        record = simulate(np.full((3000, 1000), 0.01))
    assert record.device == "numpy"


def test_a_cache_folder_that_is_a_file(tmp_path, expected, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PVAE_BRIAN_CACHE", str(tmp_path / "file"))
    assert cache.entries() == []
    assert cache.clear() == 0
    with pytest.warns(UserWarning, match="cannot be written"):
        check_next_run(expected)


def test_no_cache_folder_at_all(monkeypatch):
    monkeypatch.setenv("PVAE_BRIAN_CACHE", "~no-such-user/cache")
    with pytest.raises(BuildError, match="there is no cache folder"):
        simulate([[1.0]], device="cpp_standalone")


def test_brian2s_preference_names_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PVAE_BRIAN_CACHE")
    monkeypatch.setitem(prefs, "pvae_brian.cache_folder", str(tmp_path / "preferred"))
    assert cache.cache_folder() == tmp_path / "preferred"
    monkeypatch.setitem(prefs, "pvae_brian.cache_folder", "")
    assert cache.cache_folder().name == "pvae_brian"


def test_odd_surroundings(cold_cache, tmp_path, expected):
    """A working folder that is gone, and options for another make."""
    code = f"""
        import os
        os.mkdir("here")
        os.chdir("here")
        os.rmdir("../here")
        record = simulate({SMALL_RATES.tolist()}, seed=4, device="cpp_standalone")
        print(record.counts.sum())
    """
    os.environ["MAKEFLAGS"] = "-n"
    try:
        process = start(code, cold_cache, cwd=tmp_path)
    finally:
        del os.environ["MAKEFLAGS"]
    output, error = process.communicate()
    assert output.strip() == str(expected.sum()), error
