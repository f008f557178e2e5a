"""Looks at the built pages: each link, anchor and picture, and each public name; and all of it is small enough.

    python -m tests.support.built docs/_build/html

It runs after Sphinx in `tox -e docs`, and ends with exit status 1 and the list of what is wrong.
"""

from __future__ import annotations

import html.parser
import importlib
import inspect
import pathlib
import sys
import urllib.parse

#: bytes of all files
MOST = 5_000_000
#: the modules of the reference
MODULES = ("proton", *(f"proton.{name}" for name in ("asyncio", "driver", "handlers", "hooks", "reactor", "reconnect")))
MODULES += ("proton.sasl", "proton.testing", "proton.utils")


def public_names():
    """Each public name by its path, such as proton.utils.BlockingConnection, with what it is."""
    for name in MODULES:
        module = importlib.import_module(name)
        yield from ((f"{name}.{public}", getattr(module, public)) for public in module.__all__)


def public_classes():
    """The names of the classes that the reference has."""
    return {value.__name__ for _, value in public_names() if inspect.isclass(value)}


class Page(html.parser.HTMLParser):
    """The anchors of a page, and where it leads to."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.targets = {""}, []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if values.get("id"):
            self.anchors.add(values["id"])
        target = values.get("src") or values.get("href")
        if target and tag != "base":
            self.targets.append(target)


def dead_links(folder):
    """Each link between the pages of a folder that leads nowhere, as a line."""
    pages = {path: Page(path) for path in folder.rglob("*.html")}
    for path, page in sorted(pages.items()):
        for target in page.targets:
            parts = urllib.parse.urlsplit(target)
            if parts.scheme or parts.netloc or target == "#":  # "#" is a button of the theme
                continue
            place = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            if not place.is_file():
                yield f"{path.relative_to(folder)}: no file for {target}"
            elif place in pages and urllib.parse.unquote(parts.fragment) not in pages[place].anchors:
                yield f"{path.relative_to(folder)}: no anchor for {target}"


def missing_names(folder):
    """Each public name, and each public method of a class, that is on no page of the reference, as a line."""
    pages = [Page(path) for path in (folder / "reference").glob("*.html")]
    anchors = {anchor for page in pages for anchor in page.anchors}
    methods = {".".join(anchor.split(".")[-2:]) for anchor in anchors}
    same = {}
    for path, value in public_names():
        same.setdefault(id(value), []).append(path)
    for path, value in public_names():
        if anchors.isdisjoint(same[id(value)] if inspect.isclass(value) else [path]):
            yield f"{path}: not in the reference"
        if inspect.isclass(value):
            for method in (name for name in dir(value) if not name.startswith("_")):
                owners = [cls for cls in value.__mro__ if method in vars(cls)]
                function = inspect.isroutine(inspect.getattr_static(value, method))
                ours = owners and owners[0].__module__.startswith("proton")
                if function and ours and not any(f"{cls.__name__}.{method}" in methods for cls in value.__mro__):
                    yield f"{path}.{method}: not in the reference"


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(folder):
    wrong = [*dead_links(folder), *missing_names(folder)]
    if not any(folder.rglob("*.html")):
        wrong.append(f"expected pages in {folder}, found none")
    if size(folder) > MOST:
        wrong.append(f"expected at most {MOST:,} bytes, got {size(folder):,}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(list(folder.rglob('*.html')))} pages, {size(folder):,} bytes")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
