"""What the README and the docs say besides Python code: commands, and code for other machines."""

from __future__ import annotations

import configparser
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np
import pytest

from pvae_brian import sweep
from pvae_brian.cli import build_parser, main
from pvae_brian.data import shipped_model, shipped_patches

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
# What a quick command reads, or writes for the next one; others train, or simulate for long.
QUICK = ("info", "simulate", "report")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[list[str]]:
    """Words of each command in the blocks for a shell."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    parts = (shlex.split(part, comments=True) for line in lines for part in line.split("&&"))
    return [words for words in parts if words]


def our_commands(page: Path) -> list[list[str]]:
    return [words[1:] for words in commands(page) if Path(words[0]).name == "pvae-brian"]


def inline_commands(page: Path) -> list[list[str]]:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = (shlex.split(text)[1:] for text in re.findall(r"`(pvae-brian [^`]*)`", text))
    # One word names a command; more than one is to be typed.
    return [words for words in found if len(words) > 1]


def test_every_kind_of_block_has_a_test():
    """Languages of code have one here or in test_docs; directives are Sphinx's."""
    kinds = {
        kind
        for page in PAGES
        for kind in re.findall(r"^```([^\s`]+)$", page.read_text("utf-8"), re.M)
    }
    assert {kind for kind in kinds if not kind.startswith("{")} <= {"python", "py", "sh", "text"}


def test_there_are_commands():
    assert sum(len(our_commands(page)) for page in PAGES) > 10
    assert sum(len(inline_commands(page)) for page in PAGES) > 3


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_of_ours_are_parsed(page):
    parser = build_parser()
    for words in our_commands(page) + inline_commands(page):
        # It exits where an option or a value is wrong.
        assert parser.parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_of_others_name_scripts_and_extras_that_are_there(page):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = set(setup["options.extras_require"])
    text = page.read_text(encoding="utf-8")
    for script in re.findall(r"python ([\w/]+\.py)\b", text):
        assert (ROOT / script).is_file(), script
    for named in re.findall(r"pip install [^`\n]*\[([\w,]+)\]", text):
        assert set(named.split(",")) <= extras, named


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(words[0] in QUICK for words in our_commands(page))],
    ids=name_of,
)
def test_quick_commands_run(page, tmp_path, monkeypatch, capsys):
    """One after the other, with the shipped model and few images as the reader's own."""
    monkeypatch.chdir(tmp_path)
    Path("model.pt").write_bytes(Path(shipped_model()).read_bytes())
    np.save("images.npy", shipped_patches()[:50])
    for words in our_commands(page):
        if words[0] in QUICK:
            assert main(words) in (0, None), capsys.readouterr().err
            assert capsys.readouterr().out


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "py")], ids=name_of)
def test_code_for_a_cluster_calls_what_there_is(page, monkeypatch):
    """It cannot run here: SLURM and its package are stood in for, and our call is checked."""
    jobs = ModuleType("dask_jobqueue")
    jobs.SLURMCluster = mock.Mock()
    monkeypatch.setitem(sys.modules, "dask_jobqueue", jobs)
    called = mock.create_autospec(sweep.run)
    monkeypatch.setattr(sweep, "run", called)
    for block in blocks(page, "py"):
        exec(compile(block, str(page), "exec"), {"__name__": "__main__"})
    called.assert_called_once()
    assert called.call_args.kwargs["preset"] in sweep.PRESETS
    jobs.SLURMCluster.assert_called_once()
