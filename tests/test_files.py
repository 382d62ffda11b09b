"""Files are written whole or not at all, and never over another one by accident."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from pvae_brian._files import check_writable, write_whole


def test_a_file_appears_with_all_its_bytes(tmp_path):
    path = tmp_path / "result.bin"
    with write_whole(path) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert os.listdir(tmp_path) == ["result.bin"]


def test_permissions_are_the_users_usual_ones(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with write_whole(tmp_path / "whole") as file:
        file.write(b"x")
    plain, whole = ((tmp_path / name).stat().st_mode for name in ("plain", "whole"))
    assert plain == whole


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.bin"
    path.write_bytes(b"old")

    def fail():
        with write_whole(path, force=True) as file:
            file.write(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["result.bin"]


def test_an_existing_file_needs_force(tmp_path):
    path = tmp_path / "result.bin"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError, match="--force"), write_whole(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    with write_whole(path, force=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "result.bin"

    def write():
        with write_whole(path) as file:
            file.write(b"mine")
            path.write_bytes(b"of another process")

    with pytest.raises(FileExistsError):
        write()
    assert path.read_bytes() == b"of another process"
    assert os.listdir(tmp_path) == ["result.bin"]


def test_places_where_no_file_can_be(tmp_path):
    with pytest.raises(IsADirectoryError):
        check_writable(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        check_writable(tmp_path / "missing" / "result.bin")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        check_writable(tmp_path / "file" / "result.bin")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="no permission"):
        check_writable(tmp_path / "result.bin")


def run_python(code: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_no_space(tmp_path):
    """A real limit on the size of files stands in for a full disk."""
    process = run_python(
        """
        import resource, signal, sys
        from pvae_brian._files import write_whole
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            with write_whole(sys.argv[1]) as file:
                file.write(bytes(1_000_000))
        except OSError as error:
            print(type(error).__name__)
        """,
        str(tmp_path / "result.bin"),
    )
    out, err = process.communicate()
    assert out.strip() == "OSError", err
    assert os.listdir(tmp_path) == []


def test_a_process_killed_while_writing_leaves_no_result(tmp_path):
    process = run_python(
        """
        import sys, time
        from pvae_brian._files import write_whole
        with write_whole(sys.argv[1]) as file:
            file.write(bytes(100_000))
            file.flush()
            print("written", flush=True)
            time.sleep(60)
        """,
        str(tmp_path / "result.bin"),
    )
    assert process.stdout.readline().strip() == "written"
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.1)
    assert not (tmp_path / "result.bin").exists()
    # The next run is not disturbed by what was left behind.
    with write_whole(tmp_path / "result.bin") as file:
        file.write(b"whole")
    assert (tmp_path / "result.bin").read_bytes() == b"whole"
