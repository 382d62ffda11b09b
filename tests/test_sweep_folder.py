"""The folder of a sweep: whole or not there, checked, and of one study."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil

import pytest

from pvae_brian.sweep import Point, PointResult, Study, load_sweep
from pvae_brian.sweep.folder import (
    DamagedPointError,
    StudyFile,
    changes,
    check_same_study,
    read_point,
    read_points,
    read_study,
    save_point,
    write_study,
)
from pvae_brian.sweep.place import check_place, clear_leftovers, locked
from pvae_brian.sweep.point import versions
from pvae_brian.sweep.quantities import COLUMNS

STUDY = Study(betas=(1, 2), n_latents=(4,), models=("poisson",), epochs=60)
POINT = STUDY.points()[0]


def make_result(value: float = 0.1) -> PointResult:
    values = {
        name: column.kind(value if column.kind is float else 3)
        for column in COLUMNS
        for name in column.names()
    }
    notes = {"device": "numpy", "versions": versions(), "seconds": {"training": 1.5}}
    return PointResult(values, b"weights", notes)


@pytest.fixture
def begun(tmp_path):
    """A folder with one of two points."""
    study = StudyFile(STUDY.settings(), {"sha256": "0" * 64, "source": "x.npy"}, STUDY.points())
    write_study(tmp_path, study)
    save_point(tmp_path, study, POINT, make_result())
    return tmp_path, study


def test_what_is_saved_is_read_back(begun):
    folder, study = begun
    assert read_study(folder) == study
    saved, damaged = read_points(folder, study)
    assert (list(saved), damaged) == ([POINT], {})
    result = make_result()
    assert saved[POINT].values == result.values
    assert saved[POINT].notes == result.notes
    assert sorted(path.name for path in folder.rglob("*")) == [
        "model.pt",
        "point.json",
        "points",
        POINT.name,
        "study.json",
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e-310, 0.1 + 0.2, -0.0])
def test_any_number_survives(begun, value):
    """JSON knows no infinity; strict readers must read the file all the same."""
    folder, study = begun
    save_point(folder, study, POINT, make_result(value))

    def refuse(name):
        raise AssertionError(name)

    text = (folder / "points" / POINT.name / "point.json").read_text()
    json.loads(text, parse_constant=refuse)
    assert repr(read_point(folder, study, POINT).values) == repr(make_result(value).values)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.pt", lambda data: data[:-1]),
        ("model.pt", lambda data: data.replace(b"w", b"v")),
        ("point.json", lambda data: data[: len(data) // 2]),
        ("point.json", lambda data: data.replace(b'"spikes": 0.1', b'"spikes": 0.2')),
        ("point.json", lambda data: data.replace(b'"epochs": 60', b'"epochs": 61')),
        ("point.json", lambda data: b"[]"),
        ("point.json", lambda data: b"\xff"),
        ("point.json", lambda data: b"{}"),
    ],
)
def test_damage_is_found(begun, name, damage):
    folder, study = begun
    path = folder / "points" / POINT.name / name
    data = path.read_bytes()
    path.write_bytes(damage(data))
    assert path.read_bytes() != data
    with pytest.raises(DamagedPointError, match=rf"{POINT.name} is damaged \("):
        read_point(folder, study, POINT)
    saved, damaged = read_points(folder, study)
    assert (saved, list(damaged)) == ({}, [POINT])
    with pytest.warns(UserWarning, match=rf"{POINT.name} is damaged .* run the sweep again"):
        sweep = load_sweep(folder)
    assert sweep.missing == STUDY.points()


@pytest.mark.parametrize("name", ["model.pt", "point.json"])
def test_a_missing_file_is_damage_too(begun, name):
    folder, study = begun
    (folder / "points" / POINT.name / name).unlink()
    with pytest.raises(DamagedPointError):
        read_point(folder, study, POINT)


def test_a_point_of_another_study_is_named(begun, tmp_path_factory):
    folder, study = begun
    other = tmp_path_factory.mktemp("other")
    settings = dataclasses.replace(STUDY, epochs=80).settings()
    theirs = dataclasses.replace(study, settings=settings)
    write_study(other, theirs)
    save_point(other, theirs, STUDY.points()[1], make_result())
    shutil.copytree(other / "points", folder / "points", dirs_exist_ok=True)
    with pytest.raises(
        ValueError, match=r"beta-2_K-4_seed-0 is of another study .* epochs was 80 and is now 60"
    ):
        read_points(folder, study)
    with pytest.raises(ValueError, match="of another study"):
        load_sweep(folder)


def test_a_point_of_the_same_study_may_come_from_elsewhere(begun, tmp_path_factory):
    """Two machines may share the work, and their folders be put together."""
    folder, study = begun
    other = tmp_path_factory.mktemp("other")
    point = Point("poisson", 7, 4, 0)
    save_point(other, study, point, make_result())
    shutil.copytree(other / "points", folder / "points", dirs_exist_ok=True)
    sweep = load_sweep(folder)
    assert sweep.table["beta"].tolist() == [1, 7]
    assert sweep.missing == (STUDY.points()[1],)
    assert sweep.study.betas == (1, 2, 7)


def test_tables_and_grids_have_one_order_of_families(begun):
    """That of the published tables, which is no alphabet's."""
    folder, study = begun
    values = {"gaussian": 1.0, "poisson": 2.0, "gaussian-relu": 3.0}
    for model, value in values.items():
        save_point(folder, study, Point(model, 1, 4, 0), make_result(value))
    sweep = load_sweep(folder)
    assert sweep.table["model"].tolist() == ["poisson", "gaussian-relu", "gaussian"]
    spikes = sweep.dataset()["spikes"].sel(beta=1, n_latents=4, seed=0)
    assert spikes["model"].values.tolist() == ["poisson", "gaussian-relu", "gaussian"]
    assert spikes.values.tolist() == sweep.table["spikes"].tolist() == [2.0, 3.0, 1.0]


def test_a_point_with_other_data(begun):
    folder, study = begun
    other = dataclasses.replace(study, data=study.data | {"sha256": "1" * 64})
    save_point(folder, other, POINT, make_result())
    with pytest.raises(ValueError, match="its data were others; move it away"):
        read_points(folder, study)


def test_a_point_that_was_renamed(begun):
    folder, study = begun
    (folder / "points" / POINT.name).rename(folder / "points" / STUDY.points()[1].name)
    with pytest.raises(ValueError, match=f"holds the point {POINT.name}; give it its name back"):
        read_points(folder, study)


def test_what_is_no_point_is_left_alone(begun):
    folder, study = begun
    (folder / "points" / "notes.txt").write_text("mine")
    (folder / "points" / f"{POINT.name} (copy)").mkdir()
    assert list(read_points(folder, study)[0]) == [POINT]
    clear_leftovers(folder)
    assert (folder / "points" / "notes.txt").exists()


def test_leftovers_of_killed_sweeps_are_cleared(begun):
    folder, study = begun
    half = folder / "points" / f".{POINT.name}-abc.part"
    half.mkdir()
    (half / "model.pt").write_bytes(b"half")
    (folder / ".table.csv-abc.part").write_bytes(b"half")
    (folder / ".mine").write_bytes(b"not ours")
    assert list(read_points(folder, study)[0]) == [POINT]
    clear_leftovers(folder)
    assert not half.exists()
    assert sorted(path.name for path in folder.glob(".*")) == [".mine"]


def test_a_failed_write_leaves_the_old_point_and_no_parts(begun, monkeypatch):
    folder, study = begun
    before = read_point(folder, study, POINT)

    def fail(temporary, place):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pvae_brian.sweep.folder.move_folder", fail)
        with pytest.raises(OSError, match="No space left"):
            save_point(folder, study, POINT, make_result(7.0))
    assert read_point(folder, study, POINT) == before
    assert [path.name for path in (folder / "points").iterdir()] == [POINT.name]


def test_changes_are_named_one_by_one(begun):
    _, study = begun
    settings = dataclasses.replace(
        STUDY, epochs=80, budget="lennie-2003", data="elsewhere.npy"
    ).settings()
    found = changes(study.settings, settings)
    assert "epochs was 60 and is now 80" in found
    assert "budget.name was attwell-laughlin-2001 and is now lennie-2003" in found
    assert not any("elsewhere" in change for change in found)
    with pytest.raises(ValueError, match="same settings, but epochs was 60 and is now 80; budget"):
        check_same_study(study, settings, "0" * 64)
    with pytest.raises(ValueError, match=r"the data had the SHA-256 0{12}\.\.\. and now have 1"):
        check_same_study(study, study.settings, "1" * 64)
    with pytest.raises(ValueError, match=r"they are 'elsewhere\.npy' and no longer 'natural'"):
        check_same_study(study, study.settings | {"data": "elsewhere.npy"}, "1" * 64)
    check_same_study(study, study.settings, "0" * 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "damaged or of another kind"),
        ("[]", "does not call itself"),
        ('{"format": "pvae_brian sweep", "format_version": 2}', "format version 2"),
        ('{"format": "pvae_brian sweep", "format_version": 1}', "damaged or of another kind"),
    ],
)
def test_a_study_file_that_is_none(tmp_path, text, message):
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_study(tmp_path)


def test_no_sweep(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no sweep at"):
        load_sweep(tmp_path)


def test_a_folder_of_other_things_is_no_place(tmp_path):
    check_place(tmp_path)
    check_place(tmp_path / "new")
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"):
        check_place(tmp_path / "no" / "new")
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match=r"no sweep but other things \(thesis.tex\)"):
        check_place(tmp_path)
    with pytest.raises(NotADirectoryError):
        check_place(tmp_path / "thesis.tex")


def test_one_at_a_time(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(RuntimeError, match="another sweep is at work in") as caught,
        locked(tmp_path),
    ):
        raise AssertionError
    # On some file systems a kill leaves it behind.
    (lock,) = tmp_path.iterdir()
    assert f"remove {lock}: " in str(caught.value)
    with locked(tmp_path):
        pass
