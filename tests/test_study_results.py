"""The committed results of a quick study: what the docs say is what the table gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pvae_brian.sweep import PRESETS, run
from pvae_brian.sweep.answers import answer

from .sweep_examples import save_images, small_study

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "docs" / "study"
SCRIPT = ROOT / "tools" / "study_for_the_docs.py"


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(STUDY / "table.csv")


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_the_table_is_that_of_the_preset(table):
    study = PRESETS["quick"]
    found = set(table[["model", "beta", "n_latents", "seed"]].itertuples(index=False, name=None))
    assert found == {(p.model, p.beta, p.n_latents, p.seed) for p in study.points()}
    made = json.loads((STUDY / "made.json").read_text())
    settings = study.settings() | {"device": made["settings"]["device"]}
    assert made["settings"] == settings


def test_the_sentences_are_those_of_the_table(table):
    said = unwrapped((STUDY / "answers.txt").read_text())
    for sentence in answer(table).sentences():
        assert unwrapped(sentence) in said


def test_every_figure_is_there():
    page = (ROOT / "docs" / "study.md").read_text()
    shown = {path.name for path in STUDY.glob("*.png") if f"(study/{path.name})" in page}
    assert shown == {path.name for path in STUDY.glob("*.png")}
    assert len(shown) == 8


@pytest.mark.slow
def test_the_script_makes_them_of_any_study(tmp_path):
    images = save_images(tmp_path / "images.npy")
    run(tmp_path / "STUDY", small_study(images, models=("poisson", "gaussian-relu")))
    command = [sys.executable, SCRIPT, tmp_path / "STUDY", tmp_path / "docs"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    made = {path.name for path in (tmp_path / "docs").iterdir()}
    assert made == {path.name for path in STUDY.iterdir()}
    assert len(pd.read_csv(tmp_path / "docs" / "table.csv")) == 8
