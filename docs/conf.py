"""Sphinx: `python -m tox -e docs` builds docs/_build/html, with warnings as errors."""

from __future__ import annotations

import builtins
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import proton
from tests.support import built

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

# A name in single backticks is code, and a link where it is one of the package.
default_role = "py:obj"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
PUBLIC = {*built.public_classes(), *vars(builtins)}
# Members of bases that are not on a page of their own are shown where they are inherited; those of public ones are not.
autodoc_default_options = {
    "members": True,
    "undoc-members": False,
    "show-inheritance": True,
    "inherited-members": ",".join(sorted(PUBLIC)),
}


def without_links_to_sources(app, docname, source):
    """Links to files of the repository become their text: what is built stands without it."""
    source[0] = re.sub(r"\[([^\]\n]+)\]\(\.\./(?:proton|tests|examples|benchmarks)/[^)\n]*\)", r"\1", source[0])


def with_fragments(app, docname, source):
    """The page of changes begins with what `changes/` has for the next release."""
    if docname == "changes":
        root = pathlib.Path(__file__).resolve().parents[1]
        fragments = sorted((root / "changes").glob("+*.md"), key=lambda path: path.name.split(".")[1])
        news = "".join(f"- {path.read_text(encoding='utf-8').strip()}\n".replace("\n\n", "\n") for path in fragments)
        log = (root / "CHANGELOG.md").read_text(encoding="utf-8")
        mark = "<!-- changes -->\n"
        source[0] = log.replace(mark, f"{mark}\n## The next release\n\n{news}" if news else mark, 1)


def public_bases(app, name, obj, options, bases):
    """Names the nearest bases that readers find: on a page of the reference, or in Python."""
    nearest = [
        next((each for each in getattr(base, "__mro__", ()) if each.__name__ in PUBLIC), object) for base in bases
    ]
    bases[:] = list(dict.fromkeys(base for base in nearest if base is not object)) or [object]


def plain_signature(match):
    """A signature without the elements around each of its words, a tenth of all bytes, which nothing styles."""
    return re.sub(r'<span class="(?:pre|w)">([^<]*)</span>', r"\1", match.group())


def made_small(app, exception):
    """What readers do not see does not go with the pages."""
    folder = pathlib.Path(app.outdir)
    for path in folder.rglob("*.map"):
        path.unlink()
    for path in folder.glob("reference/*.html"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r'<dt class="sig.*?</dt>', plain_signature, text, flags=re.S), encoding="utf-8")


def setup(app):
    app.connect("build-finished", made_small)
    app.connect("autodoc-process-bases", public_bases)
    app.connect("source-read", with_fragments)
    app.connect("source-read", without_links_to_sources)
