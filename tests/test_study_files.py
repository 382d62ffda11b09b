"""The figures of a study as files."""

from __future__ import annotations

import re

import matplotlib.image
import pytest

from pvae_brian.report.study import (
    write_figures,
)

from .study_sweeps import CHARTS, make_sweep
from .sweep_tables import example_table

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning:pvae_brian")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return make_sweep(tmp_path_factory.mktemp("study"))


@pytest.mark.slow
def test_figures_are_written_whole_and_alike(sweep, tmp_path):
    paths = write_figures(sweep, tmp_path / "once")
    assert [path.name for path in paths] == [
        f"{key}.{ending}" for key in CHARTS for ending in ("png", "svg")
    ]
    again = write_figures(sweep, tmp_path / "twice")
    for path, same in zip(paths, again, strict=True):
        assert path.read_bytes() == same.read_bytes()
        assert not re.search(rb"\b20\d\d-\d\d-\d\d", path.read_bytes()), path
        if path.suffix == ".png":
            assert matplotlib.image.imread(path)[..., :3].std() > 0.03
        else:
            assert b"<text" not in path.read_bytes()


def test_figures_of_a_table_alone(tmp_path):
    paths = write_figures(example_table(), tmp_path / "new" / "folder", formats=("svg",))
    assert [path.name for path in paths] == [f"{key}.svg" for key in CHARTS[:-1]]


def test_figures_do_not_replace_others_unasked(tmp_path):
    table = example_table(betas=(1.0,), n_latents=(64,), models=("poisson",))
    (tmp_path / "kl.png").write_text("mine")
    with pytest.raises(FileExistsError, match=r"kl\.png"):
        write_figures(table, tmp_path, formats=("png",))
    assert [path.name for path in tmp_path.iterdir()] == ["kl.png"]
    write_figures(table, tmp_path, formats=("png",), force=True)
    assert (tmp_path / "kl.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"png, svg, got \('pdf',\)"):
        write_figures(table, tmp_path, formats=("pdf",))
    with pytest.raises(ValueError, match="got 'png'"):
        write_figures(table, tmp_path, formats="png")
