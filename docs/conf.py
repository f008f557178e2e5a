"""Sphinx: `python -m tox -e docs` builds docs/_build/html, with warnings as errors."""

from __future__ import annotations

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import proton

project = "pure-proton"
author = "The maintainers of pure-proton"
copyright = author
release = version = proton.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"pure-proton {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
# Docstrings name classes without their module, and several modules have a `Sender`: the link goes to the first of them.
suppress_warnings = ["ref.python"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False}


def without_links_to_sources(app, docname, source):
    """Links to files of the repository become their text: what is built stands without it."""
    source[0] = re.sub(r"\[([^\]\n]+)\]\(\.\./(?:proton|tests|examples|benchmarks)/[^)\n]*\)", r"\1", source[0])


def setup(app):
    app.connect("source-read", without_links_to_sources)
