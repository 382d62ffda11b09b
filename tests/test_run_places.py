"""The folder of a run: whole or not at all, and over nothing but another run."""

from __future__ import annotations

import os
import shutil
import signal

import numpy as np
import pytest

from pvae_brian import SpikeRecord
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.runs import check_run_writable, load_run, save_run

from .checkpoint_files import OFFICIAL
from .images import noise
from .run_files import NAMES, assert_is_run, make_small, official_images, sha256, simulated
from .test_files import run_python
from .test_spikes import assert_same


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def folder(small, tmp_path):
    return save_run(tmp_path / "run", *small)


def test_an_existing_run_needs_force(folder, small):
    file, images, _ = small
    before = {name: sha256(folder / name) for name in NAMES if name != "model"}
    with pytest.raises(FileExistsError, match="--force"):
        save_run(folder, *small)
    assert {name: sha256(folder / name) for name in before} == before
    encoder, other = simulated(file, images[:2], seed=8)
    save_run(folder, file, images[:2], other, force=True)
    assert_is_run(load_run(folder), encoder, images[:2], other)
    assert os.listdir(folder.parent) == ["run"]


def test_an_error_leaves_the_old_run(folder, small):
    with pytest.raises(ValueError, match="must be simulated"):
        save_run(folder, small[0], small[1] + 1, small[2], force=True)
    assert_same(load_run(folder).record, small[2])
    assert os.listdir(folder.parent) == ["run"]


def test_the_old_run_comes_back_if_the_new_one_cannot_take_its_place(folder, small, monkeypatch):
    rename = os.rename

    def fail(source, target):
        if str(source).endswith(".part"):
            raise OSError("no rename today")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="no rename today"):
        save_run(folder, *small, force=True)
    assert_same(load_run(folder).record, small[2])
    assert os.listdir(folder.parent) == ["run"]


def test_force_replaces_an_empty_folder_and_a_run_that_lacks_a_file(folder, small, tmp_path):
    (tmp_path / "empty").mkdir()
    (folder / "record.npz").unlink()
    for name in ("empty", "run"):
        assert_same(load_run(save_run(tmp_path / name, *small, force=True)).record, small[2])
    assert sorted(os.listdir(tmp_path)) == ["empty", "run"]


def add_thesis(folder):
    (folder / "thesis.tex").write_text("years of work")


def add_weights(folder):
    (folder / "model" / "mine.pt").write_text("years of work")


def forget_run(folder):
    (folder / "run.json").unlink()


def damage_run(folder):
    (folder / "run.json").write_text("{")


@pytest.mark.parametrize("change", [add_thesis, add_weights, forget_run, damage_run])
def test_force_replaces_no_folder_with_other_files(change, folder, small):
    change(folder)
    files = {item: item.read_bytes() for item in folder.rglob("*") if item.is_file()}
    for attempt in (
        lambda: check_run_writable(folder, force=True),
        lambda: save_run(folder, *small, force=True),
    ):
        with pytest.raises(FileExistsError, match=r"other files than the run|cannot be read as"):
            attempt()
    assert {item: item.read_bytes() for item in folder.rglob("*") if item.is_file()} == files
    assert os.listdir(folder.parent) == ["run"]


def test_force_replaces_no_file_and_no_link(folder, small, tmp_path):
    (tmp_path / "file").write_text("years of work")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link", "dangling"):
        with pytest.raises(FileExistsError, match="no folder of a run"):
            save_run(tmp_path / name, *small, force=True)
        with pytest.raises(FileExistsError, match="--force"):
            save_run(tmp_path / name, *small)
    assert (tmp_path / "file").read_text() == "years of work"
    # To read through a link is another matter.
    assert_same(load_run(tmp_path / "link").record, small[2])


@pytest.mark.parametrize(("name", "force"), [("new", False), ("run", True)])
def test_what_appears_meanwhile_is_not_replaced(name, force, small, folder, tmp_path, monkeypatch):
    place, save = tmp_path / name, SpikeRecord.save

    def save_and_disturb(record, path, **options):
        save(record, path, **options)
        place.mkdir(exist_ok=True)
        (place / "file").write_text("of another process")

    monkeypatch.setattr(SpikeRecord, "save", save_and_disturb)
    with pytest.raises(FileExistsError):
        save_run(place, *small, force=force)
    assert (place / "file").read_text() == "of another process"
    assert_same(load_run(folder).record, small[2])
    assert set(os.listdir(tmp_path)) == {name, "run"}


def test_places_where_no_folder_can_be(small, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path, error, message in [
        (tmp_path / "missing" / "run", FileNotFoundError, "does not exist"),
        (tmp_path / "file" / "run", NotADirectoryError, "is not a folder"),
    ]:
        for attempt in (
            lambda path=path: save_run(path, *small),
            lambda path=path: check_run_writable(path),
        ):
            with pytest.raises(error, match=message):
                attempt()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_folder_that_may_not_be_written(small, folder, tmp_path, monkeypatch):
    """A superuser may write anywhere, so it takes another user's rights meanwhile."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(small[0], "small.pt")
    tmp_path.chmod(0o555)
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(65534)
        for path, force in (("new", False), ("run", True)):
            with pytest.raises(PermissionError, match=f"no permission to write in .|'{path}'"):
                save_run(path, "small.pt", *small[1:], force=force)
    finally:
        if is_root:
            os.seteuid(0)
        tmp_path.chmod(0o755)
    assert_same(load_run(folder).record, small[2])
    assert sorted(os.listdir(tmp_path)) == ["run", "small.pt"]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["checkpoint", "images", "record"])
def test_a_full_disk(at, small, tmp_path):
    """A real limit on the size of files stands in for it."""
    file = shipped_model() if at == "checkpoint" else small[0]
    images = shipped_patches()[:5] if at == "checkpoint" else noise((5000, 9))
    # As half precision, images are smaller than the rates in the record, which do not compress.
    images = images.astype(np.float16) if at == "record" else images
    simulated(file, images)[1].save(tmp_path / "record.npz")
    np.save(tmp_path / "images.npy", images)
    process = run_python(
        """
        import resource, sys
        import numpy as np
        from pvae_brian import SpikeRecord
        from pvae_brian.runs import save_run
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            images, record = np.load(sys.argv[2]), SpikeRecord.load(sys.argv[3])
            save_run(sys.argv[4], sys.argv[1], images, record)
        except OSError as error:
            print(type(error).__name__)
        """,
        str(file),
        str(tmp_path / "images.npy"),
        str(tmp_path / "record.npz"),
        str(tmp_path / "run"),
    )
    out, err = process.communicate()
    assert out.strip() == "OSError", err
    assert sorted(os.listdir(tmp_path)) == ["images.npy", "record.npz"]


STOPPED = """
import os, sys, time
import numpy as np
from pvae_brian import SpikeRecord
from pvae_brian.runs import save_run

def stop_at(function, number):
    calls = []
    def call(*arguments):
        calls.append(arguments)
        if len(calls) == number:
            print("stopped", flush=True)
            time.sleep(600)
        return function(*arguments)
    return call

name, number, checkpoint, images, record, run, force = sys.argv[1:]
images, record = np.load(images), SpikeRecord.load(record)
setattr(os, name, stop_at(getattr(os, name), int(number)))
save_run(run, checkpoint, images, record, force=force == "force")
"""


def kill_while_saving(function, number, tmp_path, *, force):
    """Kill a process before it calls a function of `os` for the given time."""
    checkpoint, images = OFFICIAL / "pvae_lin_k48", official_images("pvae_lin_k48")
    record = simulated(checkpoint, images, seed=8)[1]
    (tmp_path / "given").mkdir()
    record.save(tmp_path / "given" / "record.npz")
    np.save(tmp_path / "given" / "images.npy", images)
    process = run_python(
        STOPPED,
        function,
        str(number),
        str(checkpoint),
        str(tmp_path / "given" / "images.npy"),
        str(tmp_path / "given" / "record.npz"),
        str(tmp_path / "run"),
        "force" if force else "",
    )
    assert process.stdout.readline().strip() == "stopped", process.communicate()[1]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return checkpoint, images, record


# On their way to the disk: weights, their config, images, record and run.json. Then all is renamed.
FIRST, RECORD, LAST, RENAMED = ("fsync", 1), ("fsync", 4), ("fsync", 5), ("rename", 1)


@pytest.mark.slow
@pytest.mark.parametrize(("function", "number"), [FIRST, RECORD, LAST, RENAMED])
def test_a_killed_process_leaves_no_run_and_the_next_save_works(function, number, tmp_path):
    given = kill_while_saving(function, number, tmp_path, force=False)
    assert not os.path.lexists(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="there is no run"):
        load_run(tmp_path / "run")
    save_run(tmp_path / "run", *given)
    assert_same(load_run(tmp_path / "run").record, given[2])


@pytest.mark.slow
@pytest.mark.parametrize(("function", "number"), [LAST, RENAMED])
def test_a_killed_process_leaves_the_old_run(function, number, folder, small, tmp_path):
    given = kill_while_saving(function, number, tmp_path, force=True)
    assert_same(load_run(folder).record, small[2])
    save_run(folder, *given, force=True)
    assert_same(load_run(folder).record, given[2])


@pytest.mark.slow
def test_a_process_killed_between_two_renames_leaves_the_old_run_beside(folder, small, tmp_path):
    given = kill_while_saving("rename", 2, tmp_path, force=True)
    assert not folder.exists()
    (aside,) = tmp_path.glob(".run-*.old")
    assert_same(load_run(aside / "run").record, small[2])
    save_run(folder, *given)
    assert_same(load_run(folder).record, given[2])
