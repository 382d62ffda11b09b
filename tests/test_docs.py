"""The code in the README and the docs runs, links lead somewhere, and the built pages have all."""

from __future__ import annotations

import ast
import html
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

import pvae_brian
from pvae_brian.cli import main

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# Packages whose names the docs list beside those of pvae_brian itself.
ROOMS = [
    f"pvae_brian.{room}"
    for room in (
        "data",
        "decoding",
        "measures",
        "report",
        "report.study",
        "runs",
        "sweep",
        "sweep.answers",
    )
]
PUBLIC_NAMES = [
    f"{module}.{name}"
    for module in ["pvae_brian", *ROOMS]
    for name in importlib.import_module(module).__all__
    # A room has a page, not an entry.
    if f"{module}.{name}" not in ROOMS
]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", filter(python_blocks, PAGES), ids=name_of)
def test_the_code_runs(page, tmp_path):
    """Block after block, as a reader would type it."""
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(python_blocks(page))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_reference_lists_every_public_name():
    directives = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("api/*.md"))
    listed = re.findall(
        r"^\.\. (?:auto)?(?:function|class|exception|data):: ([\w.]+)", directives, re.M
    )
    names = [name for name in pvae_brian.__all__ if f"pvae_brian.{name}" not in ROOMS]
    assert [name for name in names if name not in listed] == []
    rooms = re.findall(r"^\.\. automodule:: (\S+)", directives, re.M)
    assert [room for room in ROOMS if room not in rooms] == []


# What follows reads the built pages.


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Build the docs where a warning is an error. That runs the examples, an error in which is one.

    The gallery of examples is written beside the sources, so they are copied; all that pages and
    examples find beside the folder of docs is there too. Processes of pytest share one build.
    """
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent
    folder = common / "docs"
    with FileLock(common / "docs.lock"):
        if not folder.exists():
            folder.mkdir()
            for path in ROOT.iterdir():
                if path.name != "docs" and not path.name.startswith("."):
                    (folder / path.name).symlink_to(path)
            shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("gallery"))
            command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
            command += ["-D", "sphinx_gallery_conf.junit=examples.xml"]
            result = subprocess.run(
                [*command, "-d", folder / "doctrees", folder / "docs", folder / "html"],
                capture_output=True,
                text=True,
                cwd=folder,
            )
            (folder / "status").write_text(str(result.returncode))
            (folder / "errors").write_text(result.stderr)
    assert (folder / "status").read_text() == "0", (folder / "errors").read_text()
    return folder / "html"


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")))


@pytest.mark.slow
def test_every_page_is_built_and_stands_in_the_table_of_contents(built):
    contents = (built / "index.html").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        target = page.relative_to(DOCS).with_suffix(".html").as_posix()
        assert (built / target).stat().st_size > 0
        assert target == "index.html" or f'href="{target}"' in contents


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    ["index", "theory", "api/train", "gallery/index", *(f"gallery/{e.stem}" for e in EXAMPLES)],
)
def test_a_page_takes_nothing_from_the_network(built, page):
    tags = re.findall(r"<(?:script|link|img)\b[^>]*>", (built / f"{page}.html").read_text("utf-8"))
    assert tags
    assert not [tag for tag in tags if re.search(r"""(src|href)=["']?(https?:)?//""", tag)]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["theory", "api/train"])
def test_formulas_are_mathml(built, page):
    source = (built / f"{page}.html").read_text(encoding="utf-8")
    assert re.search(r"<math\b[^>]*display=.block.", source)
    assert not re.search(r"\\(mathrm|lambda|sum|exp)", source)


@pytest.mark.slow
def test_the_built_reference_has_every_public_name_with_its_parameters(built):
    source = "".join(page.read_text(encoding="utf-8") for page in built.glob("api/*.html"))
    for name in PUBLIC_NAMES:
        entry = re.search(rf'<dt [^>]*id="{re.escape(name)}">(.*?)</dt>', source, re.DOTALL)
        assert entry, f"{name} is not in the reference: does it have a docstring?"
        module, _, short = name.rpartition(".")
        thing = getattr(sys.modules[module], short)
        is_error = inspect.isclass(thing) and issubclass(thing, Exception)
        if callable(thing) and not is_error:
            shown = [
                re.match(r"\W*(\w*)", re.sub(r"<[^>]*>", "", parameter))[1]
                for parameter in re.findall(r'<em class="sig-param">(.*?)</em>', entry[1])
            ]
            assert [p for p in shown if p] == list(inspect.signature(thing).parameters), name


@pytest.mark.slow
def test_the_built_page_of_the_command_line_has_the_help_of_every_command(
    built, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")

    def help_of(*command: str) -> str:
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        return capsys.readouterr().out

    page = text_of(built / "cli.html")
    program = help_of()
    assert program in page
    commands = re.findall(r"^    (\w+) ", program, re.M)
    assert len(commands) >= 5
    for command in commands:
        assert help_of(command) in page


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_the_gallery_shows_what_an_example_prints_and_draws(built, example):
    """It ran when the docs were built."""
    page = (built / "gallery" / f"{example.stem}.html").read_text(encoding="utf-8")
    pictures = re.findall(rf'src="\.\./_images/(sphx_glr_{example.stem}_\d+\.png)', page)
    assert pictures
    for picture in pictures:
        assert (built / "_images" / picture).stat().st_size > 5000
    outputs = re.findall(r'<div class="sphx-glr-script-out.*?</pre>', page, re.DOTALL)
    assert outputs
    # Warnings come with the place of the package.
    assert "site-packages" not in "".join(outputs)
    assert f'href="{example.stem}.html"' in (built / "gallery" / "index.html").read_text("utf-8")


@pytest.mark.slow
def test_every_example_ran_and_is_quick(built):
    report = ET.parse(built / "examples.xml").getroot()
    seconds = {case.get("classname"): float(case.get("time")) for case in report}
    for name, each in seconds.items():
        print(f"{each:6.1f} s  {name}")
    assert sorted(seconds) == [example.stem for example in EXAMPLES]
    assert not any(len(case) for case in report)
    assert max(seconds.values()) < 120


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_an_example_is_short_and_says_what_one_learns(example):
    source = example.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 80
    title, line, *text = ast.get_docstring(ast.parse(source)).splitlines()
    assert line == "=" * len(title)
    assert "What one learns: " in "\n".join(text)


@pytest.mark.slow
def test_the_example_of_official_checkpoints_takes_yours(tmp_path):
    folder = ROOT / "tests" / "checkpoints" / "pvae_mlp_k32"
    np.save(tmp_path / "images.npy", np.load(folder / "expected.npz")["x"])
    example = ROOT / "examples" / "from_checkpoint_to_atp.py"
    result = subprocess.run(
        [sys.executable, example, folder, "images.npy"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "agg"},
    )
    assert result.returncode == 0, result.stderr
    assert "format: official" in result.stdout
