"""`run`: compute all points of a study on Dask workers, and never one of them twice."""

from __future__ import annotations

import contextlib
import math
import operator
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pvae_brian._checks import check_positive_integer
from pvae_brian.data.choose import BUILT_IN
from pvae_brian.engine.pool import cores
from pvae_brian.sweep.attempts import Failure, compute_points
from pvae_brian.sweep.choosing import choose_study, with_device
from pvae_brian.sweep.cluster import check_main
from pvae_brian.sweep.folder import (
    SavedPoint,
    StudyFile,
    check_same_study,
    read_points,
    read_study,
    save_point,
    write_study,
)
from pvae_brian.sweep.place import check_place, clear_leftovers, locked
from pvae_brian.sweep.point import digest_data, load_images, versions
from pvae_brian.sweep.progress import Progress
from pvae_brian.sweep.results import Sweep, make_sweep, write_tables
from pvae_brian.sweep.study import Point, Study, in_order


class SweepError(RuntimeError):
    """Some points of a sweep failed; all others are finished and kept.

    Attributes
    ----------
    reasons : dict of str to str
        Why, by the names of the points.
    """

    def __init__(self, folder: Path, reasons: dict[str, str]):
        self.reasons = reasons
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        n_failed = f"{len(reasons)} point{'s' if len(reasons) > 1 else ''}"
        super().__init__(
            f"{n_failed} failed, all others in {folder} are finished and kept; run the "
            f"sweep again to retry ({told})"
        )


def run(
    folder: str | os.PathLike[str],
    study: Study | None = None,
    *,
    preset: str | None = None,
    scheduler: str | None = None,
    n_workers: int | None = None,
    retries: int = 2,
    progress: bool = False,
    **changes: Any,
) -> Sweep:
    """Compute all points of a study that are not finished, and return what is there.

    Each point is trained, simulated and measured by a worker, and written to a folder of its own,
    whole or not at all. Whatever is killed, run it again: finished points are never computed twice.
    The grid may grow from run to run; other settings may not change.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    study : Study, optional
        What to compute. By default what the folder was begun with.
    preset : {'quick', 'paper'}, optional
        A study of `PRESETS` instead.
    scheduler : str, optional
        Address of a running Dask cluster, such as 'tcp://10.0.0.1:8786'. By default worker
        processes on this machine, for as long as this call takes.
    n_workers : int, optional
        Worker processes on this machine: by default one per core.
    retries : int
        How often a point is tried again after a worker died or a system call failed. What would
        fail again, such as training that diverges, is not. Deaths of the workers of a ``scheduler``
        are counted by itself, up to its ``distributed.scheduler.allowed-failures``.
    progress : bool
        Tell of each point on standard error, with a bar on a terminal.
    **changes
        Fields of `Study` that take the place of those of the study, preset or folder.

    Returns
    -------
    Sweep
        With all points in the folder. ``table.parquet``, ``table.csv`` and ``dataset.nc`` in it
        hold the same.

    Raises
    ------
    TypeError, ValueError
        If a setting is wrong, or it or the data are others than the folder was begun with.
    FileNotFoundError, FileExistsError, NotADirectoryError
        If the data are not there, or the folder cannot be a sweep's.
    RuntimeError
        If another sweep is at work in the folder.
    SweepError
        If points failed: the others are finished all the same.
    OSError
        If there is no scheduler at this address, or the disk is full.

    Notes
    -----
    Worker processes import the script that calls this: put the call under
    ``if __name__ == "__main__":``.

    Examples
    --------
    >>> import numpy as np
    >>> from pvae_brian import sweep
    >>> np.save("patches.npy", np.random.default_rng(0).normal(size=(500, 16)))
    >>> found = sweep.run(
    ...     "study", betas=(1, 4), n_latents=(8,), models=("poisson",), data="patches.npy",
    ...     epochs=2, batch_size=100, n_workers=1,
    ... )
    >>> found.table[["model", "beta", "n_latents", "seed"]].to_numpy().tolist()
    [['poisson', 1.0, 8, 0], ['poisson', 4.0, 8, 0]]
    """
    check_main()
    if scheduler is not None and n_workers is not None:
        raise ValueError(
            "a cluster has its own workers; leave n_workers (--workers) or the scheduler away"
        )
    n_workers = cores() if n_workers is None else check_positive_integer(n_workers, "n_workers")
    if operator.index(retries) < 0:
        raise ValueError(f"retries must not be negative, got {retries}")
    folder = Path(os.path.expanduser(folder))
    check_place(folder)

    def choose() -> tuple[StudyFile | None, Study, tuple[Point, ...]]:
        begun = read_study(folder) if (folder / "study.json").exists() else None
        return begun, *choose_study(begun, study, preset, changes)

    begun, chosen, asked = choose()
    # Before the folder is made: there may be no such data.
    images = None if begun else load_images(chosen)
    folder.mkdir(exist_ok=True)
    with locked(folder):
        clear_leftovers(folder)
        begun, chosen, asked = choose()
        if begun is not None:
            check_same_study(begun, chosen.settings(), begun.data["sha256"])
            saved, damaged = read_points(folder, begun)
            _tell_of_damage(damaged)
            _tell_of_versions(saved.values(), "were")
        else:
            saved = {}
        todo = [point for point in asked if point not in saved]
        is_given = study is not None or preset is not None or "data" in changes
        if begun is None or todo or (is_given and _may_differ(begun.settings["data"], chosen.data)):
            images = load_images(chosen) if images is None else images
            chosen = with_device(chosen, len(images.test))
            sha256 = digest_data(images)
            if begun is not None:
                check_same_study(begun, chosen.settings(), sha256)
            begun = StudyFile(
                settings=chosen.settings(),
                data={
                    "sha256": sha256,
                    "source": images.source,
                    "n_train": len(images.train),
                    "n_test": len(images.test),
                },
                points=in_order({*asked, *(begun.points if begun else ())}),
            )
            images = None
            write_study(folder, begun)
        reasons = {}
        try:
            with Progress(progress and bool(todo), todo, len(saved)) as shown:
                outcomes = compute_points(chosen, todo, begun, scheduler, n_workers, retries)
                with contextlib.closing(outcomes):
                    for point, outcome in outcomes:
                        if isinstance(outcome, Failure):
                            reasons[point.name] = outcome.reason
                            shown.finished(point, f"failed: {outcome.reason}")
                        else:
                            saved[point] = save_point(folder, begun, point, outcome)
                            shown.finished(point, _in_short(saved[point]))
        finally:
            sweep = make_sweep(folder, begun, saved.values())
            write_tables(sweep)
    _tell_of_versions([saved[point] for point in todo if point in saved], "have been")
    if reasons:
        raise SweepError(folder, reasons)
    return sweep


def _may_differ(before: str, now: str) -> bool:
    """Whether data that nobody needs any more may be others than the points were made from."""
    if now != before:
        return True
    # What is no longer there cannot be compared, and its points may be read all the same.
    return now not in BUILT_IN and Path(now).expanduser().exists()


def _tell_of_damage(damaged: dict[Point, str]) -> None:
    for reason in damaged.values():
        warnings.warn(f"{reason}; it is computed again if it is asked for", stacklevel=3)


def _tell_of_versions(saved: Iterable[SavedPoint], when: str) -> None:
    here, others = versions(), set()
    for each in saved:
        for name, version in each.notes["versions"].items():
            if version != here.get(name):
                others.add(f"{name} {version} (here {here.get(name)})")
    if others:
        warnings.warn(
            f"points {when} computed with {', '.join(sorted(others))}: not all differences need "
            "be those of beta and K; use another folder to have all alike",
            stacklevel=3,
        )


def _in_short(saved: SavedPoint) -> str:
    values, seconds = saved.values, sum(saved.notes["seconds"].values())
    spikes = "no spikes"
    if not math.isnan(values["spikes"]):
        spikes = f"{values['spikes']:.4g} spikes, prior rate cost {values['prior_rate_cost']:.4g}"
    return f"{spikes}, KL {values['kl_nats']:.4g} nats ({seconds:.0f} s)"
