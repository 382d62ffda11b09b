"""The files of a sweep: whole, checked, and of one study."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvae_brian._files import make_beside, move_folder, write_whole
from pvae_brian.runs.files import digest_file
from pvae_brian.sweep.point import MODEL, PointResult
from pvae_brian.sweep.quantities import COLUMNS
from pvae_brian.sweep.study import Point, in_order

STUDY = "study.json"
POINTS = "points"
POINT = "point.json"
_FORMATS = {STUDY: "pvae_brian sweep", POINT: "pvae_brian sweep point"}
_FORMAT_VERSION = 1
_KINDS = {name: column.kind for column in COLUMNS for name in column.names()}


class DamagedPointError(ValueError):
    """The files of a point are not those that were written."""


@dataclass(frozen=True)
class StudyFile:
    """What ``study.json`` says.

    Attributes
    ----------
    settings : dict
        Of `Study.settings`: common to all points.
    data : dict
        Checksum ``sha256`` of the images, their ``source``, and how many there are.
    points : tuple of Point
        All that were ever asked for, in order.
    """

    settings: dict[str, Any]
    data: dict[str, Any]
    points: tuple[Point, ...]


@dataclass(frozen=True)
class SavedPoint:
    """What ``point.json`` says.

    Attributes
    ----------
    point : Point
    values : dict
        Plain numbers by the columns of the table.
    notes : dict
        Device, versions and seconds.
    """

    point: Point
    values: dict[str, float | int | bool]
    notes: dict[str, Any]


def write_study(folder: Path, study: StudyFile) -> None:
    """Write ``study.json``, whole or not at all."""
    content = {
        "settings": study.settings,
        "data": study.data,
        "points": [point.name for point in study.points],
    }
    with write_whole(folder / STUDY, force=True) as file:
        file.write(_as_json(STUDY, content))


def read_study(folder: Path) -> StudyFile:
    """Read ``study.json``.

    Raises
    ------
    FileNotFoundError
        If there is no sweep.
    ValueError
        If the file is damaged, or of another format version.
    """
    path = folder / STUDY
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no sweep at {folder}: it has no file {STUDY}; check the name"
        )
    try:
        content = _read_json(path)
        return StudyFile(
            settings=dict(content["settings"]),
            data={"sha256": str(content["data"]["sha256"])} | dict(content["data"]),
            points=in_order(Point.parse(name) for name in content["points"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged or of another kind ({error}); copy it again, or begin anew in "
            "another folder"
        ) from error


def changes(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Say what differs between two dictionaries of settings, such as 'epochs was 60 and is now 80'.

    Not the name of the data: their checksum says whether they are the same.

    Examples
    --------
    >>> changes({"epochs": 60, "data": "a.npy"}, {"epochs": 80, "data": "b.npy"})
    ['epochs was 60 and is now 80']
    """
    found = []
    for name in {**before, **now}:
        old, new = before.get(name), now.get(name)
        if old == new or name == "data":
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += changes(*({f"{name}.{key}": each[key] for key in each} for each in (old, new)))
        else:
            found.append(f"{name} was {old} and is now {new}")
    return found


def check_same_study(before: StudyFile, settings: Mapping[str, object], data_sha256: str) -> None:
    """Raise ValueError, naming each change, unless a study may go on with these settings."""
    found = changes(before.settings, settings)
    if not found and before.data["sha256"] != data_sha256:
        old, new = before.settings["data"], settings["data"]
        how = (
            "though they are asked for in the same way"
            if new == old
            else f"for they are {new!r} and no longer {old!r}"
        )
        found = [
            f"the data had the SHA-256 {before.data['sha256'][:12]}... and now have "
            f"{data_sha256[:12]}..., {how}"
        ]
    if found:
        raise ValueError(
            f"all points of a sweep must have the same settings, but {'; '.join(found)}; choose "
            "another folder, or the settings that it was begun with"
        )


def save_point(folder: Path, study: StudyFile, point: Point, result: PointResult) -> SavedPoint:
    """Write the folder of a point, whole or not at all."""
    place = folder / POINTS / point.name
    place.parent.mkdir(exist_ok=True)
    temporary = make_beside(place)
    try:
        with write_whole(temporary / MODEL) as file:
            file.write(result.checkpoint)
        content = {
            "point": dataclasses.asdict(point),
            "values": {name: _plain(value) for name, value in result.values.items()},
            "notes": result.notes,
            "settings": study.settings,
            "data_sha256": study.data["sha256"],
            "files": {MODEL: hashlib.sha256(result.checkpoint).hexdigest()},
        }
        with write_whole(temporary / POINT) as file:
            file.write(_as_json(POINT, content | {"sha256": _digest(content)}))
        _sync(temporary)
        move_folder(temporary, place)
        _sync(place.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return SavedPoint(point, result.values, result.notes)


def read_points(folder: Path, study: StudyFile) -> tuple[dict[Point, SavedPoint], dict[Point, str]]:
    """Read all points that are there, whoever put them there.

    Returns
    -------
    saved : dict of Point to SavedPoint
    damaged : dict of Point to str
        What is wrong with those whose files are not as they were written.

    Raises
    ------
    ValueError
        If a point is of a study with other settings, or has the name of another.
    """
    saved, damaged = {}, {}
    for point in _points_in(folder / POINTS):
        try:
            saved[point] = read_point(folder, study, point)
        except DamagedPointError as error:
            damaged[point] = str(error)
    return saved, damaged


def read_point(folder: Path, study: StudyFile, point: Point) -> SavedPoint:
    """Read one point and hold its files against their checksums.

    Raises
    ------
    DamagedPointError
        If a file is missing, or is not the one that was written.
    ValueError
        If it is of a study with other settings, or has the name of another point.
    """
    place = folder / POINTS / point.name
    try:
        content = _read_json(place / POINT)
        digest = content.pop("sha256", None)
        if digest != _digest(content):
            raise ValueError(f"{POINT} has another checksum than it says")
        for name, expected in content["files"].items():
            if digest_file(place / name) != expected:
                raise ValueError(f"{name} has another checksum than {POINT} says")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        if isinstance(error, PermissionError):
            raise
        raise DamagedPointError(f"{place} is damaged ({error})") from error
    found = changes(content["settings"], study.settings)
    if content["data_sha256"] != study.data["sha256"]:
        found.append("its data were others")
    if found:
        raise ValueError(
            f"{place} is of another study than {folder / STUDY}: {'; '.join(found)}; move it away"
        )
    if Point(**content["point"]) != point:
        raise ValueError(
            f"{place} holds the point {Point(**content['point']).name}; give it its name back, or "
            "move it away"
        )
    values = {name: _KINDS[name](value) for name, value in content["values"].items()}
    return SavedPoint(point, values, content["notes"])


def _points_in(folder: Path) -> Iterable[Point]:
    points = []
    for path in folder.iterdir() if folder.is_dir() else ():
        # What has no name of a point is none of ours.
        with contextlib.suppress(ValueError):
            points.append(Point.parse(path.name))
    return in_order(points)


def _as_json(name: str, content: dict[str, Any]) -> bytes:
    head = {"format": _FORMATS[name], "format_version": _FORMAT_VERSION}
    return json.dumps(head | content, indent=2, allow_nan=False).encode() + b"\n"


def _read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    kind = _FORMATS[path.name]
    if not isinstance(content, dict) or content.pop("format", None) != kind:
        raise ValueError(f"it does not call itself {kind!r}")
    version = content.pop("format_version", None)
    if version != _FORMAT_VERSION:
        raise ValueError(
            f"it has format version {version!r:.40}, this pvae_brian reads {_FORMAT_VERSION}"
        )
    return content


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _plain(value: float | int | bool) -> float | int | bool | str:
    """JSON knows neither NaN nor infinity; as text float() reads them."""
    return value if math.isfinite(value) else repr(value)


def _sync(folder: Path) -> None:
    """Let the names in a folder reach the disk, where the system knows how."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
