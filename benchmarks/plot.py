"""Draws docs/speed.svg from benchmarks/recorded.txt, which is what this has printed:

python benchmarks/run.py --reference PYTHON --only throughput --only requests --only asyncio --rounds 5

Processor time is drawn, not the rate: it is the same on a busy machine.
"""

from __future__ import annotations

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORDED = ROOT / "benchmarks" / "recorded.txt"
SVG = ROOT / "docs" / "speed.svg"
#: what is drawn: the name in the picture, that in the table, and the units whose numbers are added
ROWS = (
    ("callbacks, prefetch 10", "prefetch 10", ("sender CPU us/message", "receiver CPU us/message")),
    ("callbacks, prefetch 500", "prefetch 500", ("sender CPU us/message", "receiver CPU us/message")),
    ("asyncio, prefetch 500", "asyncio, 500", ("sender CPU us/message", "receiver CPU us/message")),
    ("a blocking request", "SyncRequestResponse", ("client CPU us/round trip", "server CPU us/round trip")),
)
ENGINES = (("pure-proton", "#2f6db5"), ("python-qpid-proton, the C library", "#b9bec6"))
WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 640, 170, 70, 14, 10, 36


def values(recorded: str, name: str, units: tuple[str, ...]) -> list[int]:
    """The sum of the numbers of a row of the table, for each engine that has one."""
    rows = [re.search(rf"^{name} +{unit} +([\d.,]+)(?: +([\d.,]+))?", recorded, re.M) for unit in units]
    columns = zip(*([text and float(text.replace(",", "")) for text in row.groups()] for row in rows if row))
    return [round(sum(column)) for column in columns if None not in column]


def drawn(recorded: str) -> str:
    """The picture as SVG: a bar for each engine and row, and its number behind it."""
    found = [(label, values(recorded, name, units)) for label, name, units in ROWS]
    most = max(max(numbers) for _, numbers in found)
    parts, x, y = [], 8, TOP
    for label, colour in ENGINES:
        parts.append(f'<rect x="{x}" y="10" width="11" height="11" fill="{colour}"/>')
        parts.append(f'<text x="{x + 16}" y="20">{label}</text>')
        x += 40 + 7 * len(label)
    for label, numbers in found:
        parts.append(f'<text x="{LEFT - 8}" y="{y + BAR * len(numbers) / 2 + 4:g}" text-anchor="end">{label}</text>')
        for number, (_, colour) in zip(numbers, ENGINES):
            width = round(number / most * (WIDTH - LEFT - RIGHT))
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{width}" height="{BAR - 1}" fill="{colour}"/>')
            parts.append(f'<text x="{LEFT + width + 6}" y="{y + BAR - 3}">{number} µs</text>')
            y += BAR
        y += GAP
    python = re.search(r"CPython [\d.]+", recorded)
    about = (
        f"Processor time for a message, both ends together; less is better. {python.group() if python else ''}, 2026"
    )
    parts.append(f'<text x="8" y="{y + 10}" fill="#555">{about}</text>')
    height = y + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12" fill="#222">'
    )
    # A ground of its own: pages with a dark one show the text too.
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>', *parts, "</svg>\n"])


if __name__ == "__main__":
    SVG.write_text(drawn(RECORDED.read_text(encoding="utf-8")), encoding="utf-8")
