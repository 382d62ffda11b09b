"""A page and its JSON: two files, whole or not at all."""

from __future__ import annotations

import importlib.resources
import json

import pytest

from pvae_brian.report.page import Page, page_json, render_html, write_report
from pvae_brian.report.page import files as files_module

from .pages import minimal_page
from .report_example import example_page


@pytest.fixture(scope="module")
def example() -> Page:
    return example_page()


def test_both_files_are_written(example, tmp_path):
    html_path, json_path = write_report(example, tmp_path / "report.html")
    assert sorted(tmp_path.iterdir()) == [html_path, json_path]
    assert json_path == tmp_path / "report.json"
    html = html_path.read_bytes().decode("utf-8")
    assert html == render_html(example, "report.json")
    assert json.loads(json_path.read_bytes()) == page_json(example)


def test_a_json_elsewhere_is_not_linked(tmp_path):
    (tmp_path / "there").mkdir()
    write_report(minimal_page(), tmp_path / "a.html", json_path=tmp_path / "there" / "a.json")
    assert "./a.json" not in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "there" / "a.json").read_bytes())["title"] == "Title"


@pytest.mark.parametrize("existing", ["a.html", "a.json"])
def test_neither_is_written_where_one_exists(tmp_path, monkeypatch, existing):
    (tmp_path / existing).write_text("old")
    with monkeypatch.context() as patch:
        # It is found out before the work.
        patch.setattr(files_module, "render_html", lambda *_: pytest.fail("rendered"))
        with pytest.raises(FileExistsError, match=existing):
            write_report(minimal_page(), tmp_path / "a.html")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(existing, "old")]
    write_report(minimal_page(), tmp_path / "a.html", force=True)
    assert len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / existing).read_text() != "old"


def test_neither_is_written_where_one_cannot_be(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_report(minimal_page(), tmp_path / "a.html", json_path=tmp_path / "no" / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_the_page_and_its_json_are_two_files(tmp_path):
    with pytest.raises(ValueError, match="two files"):
        write_report(minimal_page(), tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_an_error_half_way_leaves_the_old_files(tmp_path, monkeypatch):
    for name in ("a.html", "a.json"):
        (tmp_path / name).write_text("old")
    monkeypatch.setattr(files_module, "render_html", lambda *_: "half a character \ud800")
    with pytest.raises(UnicodeEncodeError):
        write_report(minimal_page(), tmp_path / "a.html", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json"]
    assert all(path.read_text() == "old" for path in tmp_path.iterdir())


def test_templates_are_in_the_package():
    folder = importlib.resources.files("pvae_brian.report.page") / "templates"
    names = {path.name for path in folder.iterdir()}
    assert {"report.html.j2", "report.css"} <= names
