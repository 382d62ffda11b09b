"""`Sweep`: the table of a study, its models, and files of both."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pvae_brian._files import write_whole
from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.loading import load_encoder
from pvae_brian.sweep.folder import POINTS, SavedPoint, StudyFile, read_points, read_study
from pvae_brian.sweep.point import MODEL
from pvae_brian.sweep.quantities import COLUMNS, COORDINATES, ENERGY_UNIT
from pvae_brian.sweep.study import Point, Study, in_order, study_of

if TYPE_CHECKING:
    import xarray

PARQUET = "table.parquet"
CSV = "table.csv"
NETCDF = "dataset.nc"
_MEANINGS = {
    "model": "model family",
    "beta": "weight of the KL term",
    "n_latents": "latent neurons K",
    "seed": "of weights, batches and spikes",
}


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a sweep has found.

    Attributes
    ----------
    folder : Path
        Where it is.
    study : Study
        Its settings, and the smallest grid that holds all its points.
    table : pandas.DataFrame
        A row for each finished point, by family, beta, K and seed. ``table.attrs["units"]`` holds
        the unit of each column, ``table.attrs["meanings"]`` what it is.
    missing : tuple of Point
        Those that were asked for and are not finished.
    """

    folder: Path
    study: Study
    table: pd.DataFrame
    missing: tuple[Point, ...]

    def encoder(self, point: Point | str) -> Encoder | GaussianEncoder:
        """Load the model of a point.

        Parameters
        ----------
        point : Point or str
            The point, or its name.

        Raises
        ------
        ValueError
            If no point has this name, or it is not finished.
        """
        point = Point.parse(point) if isinstance(point, str) else point
        path = self.folder / POINTS / point.name / MODEL
        if not path.is_file():
            raise ValueError(f"{point.name} is not finished, or no point of {self.folder}")
        return load_encoder(path)

    def dataset(self) -> xarray.Dataset:
        """Return the table as a labelled grid.

        Returns
        -------
        xarray.Dataset
            Dimensions model, beta, n_latents and seed; each variable has ``units`` and
            ``long_name``, and is NaN where no point is finished. All are floats: a grid with
            holes has no integers.
        """
        axes = dict(
            zip(
                COORDINATES,
                (self.study.models, self.study.betas, self.study.n_latents, self.study.seeds),
                strict=True,
            )
        )
        index = pd.MultiIndex.from_product(axes.values(), names=axes)
        values = self.table.set_index(list(COORDINATES)).astype("float64").reindex(index)
        # xarray puts families into the order of the alphabet.
        dataset = values.to_xarray().reindex({name: list(axis) for name, axis in axes.items()})
        for name in dataset.variables:
            dataset[name].attrs = {
                "units": self.table.attrs["units"][name],
                "long_name": self.table.attrs["meanings"][name],
            }
        settings = self.study.settings()
        settings["budget"] = settings["budget"]["name"]
        # Files of this kind know no None.
        settings = {name: "none" if value is None else value for name, value in settings.items()}
        dataset.attrs = {"title": "pvae_brian sweep"} | settings
        return dataset


def load_sweep(folder: str | os.PathLike[str]) -> Sweep:
    """Load what a sweep has found so far. Every file is held against its checksum.

    Parameters
    ----------
    folder : path-like
        Where `run` has worked, or still does.

    Returns
    -------
    Sweep
        Damaged points are named in a warning and count as missing.

    Raises
    ------
    FileNotFoundError
        If there is no sweep.
    ValueError
        If ``study.json`` is damaged, or a point is of another study.
    """
    folder = Path(os.path.expanduser(folder))
    study = read_study(folder)
    saved, damaged = read_points(folder, study)
    for reason in damaged.values():
        warnings.warn(f"{reason}; run the sweep again to compute it anew", stacklevel=2)
    return make_sweep(folder, study, saved.values())


def make_sweep(folder: Path, study: StudyFile, saved: Iterable[SavedPoint]) -> Sweep:
    """Return the sweep of what was read of a folder."""
    by_point = {each.point: each for each in saved}
    study_found = study_of([*study.points, *by_point], study.settings)
    return Sweep(
        folder=folder,
        study=study_found,
        table=_table(by_point, study_found),
        missing=tuple(point for point in study.points if point not in by_point),
    )


def write_tables(sweep: Sweep) -> None:
    """Write the table as Parquet and CSV, and the grid as NetCDF, each whole or not at all."""
    with write_whole(sweep.folder / PARQUET, force=True) as file:
        sweep.table.to_parquet(file, index=False)
    with write_whole(sweep.folder / CSV, force=True) as file:
        # Numbers as Python writes them, so that they are read back as they were.
        file.write(sweep.table.to_csv(index=False).encode())
    with write_whole(sweep.folder / NETCDF, force=True) as file:
        file.write(sweep.dataset().to_netcdf(engine="scipy"))


def _table(saved: dict[Point, SavedPoint], study: Study) -> pd.DataFrame:
    rows = [
        {name: getattr(point, name) for name in COORDINATES} | saved[point].values
        for point in in_order(saved)
    ]
    kinds = {"model": "str", "beta": "float64", "n_latents": "int64", "seed": "int64"}
    of_kind = {float: "float64", int: "int64", bool: "bool"}
    units, meanings = dict.fromkeys(COORDINATES, ""), dict(_MEANINGS)
    budget = study.settings()["budget"]
    for column in COLUMNS:
        ends = zip(column.names(), ("", ", low end", ", high end"), strict=False)
        for name, end in ends:
            kinds[name] = of_kind[column.kind]
            units[name] = (
                f"{budget['unit']}/stimulus" if column.unit == ENERGY_UNIT else column.unit
            )
            meanings[name] = column.meaning + end
    table = pd.DataFrame(rows, columns=list(kinds)).astype(kinds)
    table.attrs = {"units": units, "meanings": meanings}
    return table
