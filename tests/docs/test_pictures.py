"""The pictures of the pages are what their scripts draw, and the check of the built pages finds what is dead."""

from __future__ import annotations

import re
import runpy
import xml.etree.ElementTree as ElementTree

import pytest

from tests.support import built
from tests.support.programs import ROOT

DOCS = ROOT / "docs"
CHARTS = runpy.run_path(str(DOCS / "charts.py"))
PAGES = {path: path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md") if "_build" not in path.parts}


@pytest.mark.parametrize("name", CHARTS["CHARTS"])
def test_a_chart_is_what_the_script_draws_and_is_on_a_page(name):
    file = DOCS / "charts" / f"{name}.svg"
    assert file.read_text(encoding="utf-8") == CHARTS["drawn"](CHARTS["CHARTS"][name]), "python docs/charts.py"
    shown = [path for path, text in PAGES.items() if re.search(rf"!\[[^\]]+\]\((?:\.\./)?charts/{name}\.svg\)", text)]
    assert len(shown) == 1


def test_each_step_of_a_chart_is_an_arrow_from_left_to_right_a_note_or_a_part():
    for chart in CHARTS["CHARTS"].values():
        first, *steps = chart.strip().splitlines()
        names = first.split(", ")
        drawn = ElementTree.fromstring(CHARTS["drawn"](chart))
        texts = {element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")}
        for step in steps:
            match = CHARTS["STEP"].fullmatch(step)
            if match:
                assert names.index(match["left"]) < names.index(match["right"]), step
            text = match["text"] if match else step.partition("--- " if step.startswith("--- ") else ": ")[2]
            assert text in texts


def test_the_plot_of_the_readme_is_drawn_from_the_recorded_numbers():
    plot = runpy.run_path(str(ROOT / "benchmarks" / "plot.py"))
    recorded = plot["RECORDED"].read_text(encoding="utf-8")
    assert plot["SVG"].read_text(encoding="utf-8") == plot["drawn"](recorded), "python benchmarks/plot.py"
    assert [len(plot["values"](recorded, *row[1:])) for row in plot["ROWS"]] == [2, 2, 1, 2]
    assert "](docs/speed.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_check_of_built_pages_names_dead_links(tmp_path):
    links = '<a href="b.html#here">b</a><a href="#top">top</a><img src="c.svg">'
    (tmp_path / "a.html").write_text(f'<h1 id="top">a</h1>{links}')
    (tmp_path / "b.html").write_text('<a id="there" href="a.html">a</a><a href="https://example.com/x">out</a>')
    assert list(built.dead_links(tmp_path)) == ["a.html: no anchor for b.html#here", "a.html: no file for c.svg"]


def test_the_check_of_built_pages_names_what_the_reference_has_not(tmp_path):
    (tmp_path / "reference").mkdir()
    page = tmp_path / "reference" / "hooks.html"
    page.write_text('<dt id="proton.hooks.MessageHooks"></dt><dt id="proton.hooks.MessageHooks.outcome"></dt>')
    missing = [line.partition(":")[0] for line in built.missing_names(tmp_path)]
    assert "proton.hooks.add_hooks" in missing
    assert "proton.hooks.MessageHooks.before_send" in missing
    assert "proton.hooks.MessageHooks" not in missing
    assert "proton.hooks.MessageHooks.outcome" not in missing


def test_the_check_of_built_pages_ends_with_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(built, "MODULES", ())
    with pytest.raises(SystemExit, match="found none"):
        built.main(tmp_path)
    (tmp_path / "a.html").write_text("<p>a</p>")
    built.main(tmp_path)
    monkeypatch.setattr(built, "MOST", 3)
    with pytest.raises(SystemExit, match="expected at most 3 bytes, got 8"):
        built.main(tmp_path)
