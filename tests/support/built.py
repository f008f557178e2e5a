"""Looks at the built pages: each link, anchor and picture is there, and all of it is small enough to be shipped.

    python tests/support/built.py docs/_build/html

It runs after Sphinx in `tox -e docs`, and ends with exit status 1 and the list of what is wrong.
"""

from __future__ import annotations

import html.parser
import pathlib
import sys
import urllib.parse

#: bytes of all files
MOST = 5_000_000


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


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(folder):
    wrong = list(dead_links(folder))
    if not any(folder.rglob("*.html")):
        wrong.append(f"expected pages in {folder}, found none")
    if size(folder) > MOST:
        wrong.append(f"expected at most {MOST:,} bytes, got {size(folder):,}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(list(folder.rglob('*.html')))} pages, {size(folder):,} bytes")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
