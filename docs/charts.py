"""Draws the sequence charts of the pages: docs/charts/*.svg.

    python docs/charts.py

A chart is a list of participants and of steps from top to bottom. A step is an arrow between two of them, the left one
first ("a > b: text", or "a < b: text" for one that comes back, "a = b: text" for both ways), or a note beside one
("a: text"). "--- text" begins a part.
"""

from __future__ import annotations

import pathlib
import re
from html import escape

FOLDER = pathlib.Path(__file__).resolve().parent / "charts"
CHARTS = {
    "connection": """
client, broker
client > broker: TCP connect
--- amqps only
client = broker: TLS handshake
--- login
client = broker: SASL header
client < broker: mechanisms
client > broker: init (mechanism, response)
client < broker: outcome
--- connection, session, link
client = broker: AMQP header, open (container-id, frame size, idle time-out)
client = broker: begin (session: windows)
client = broker: attach (link: address, settle modes)
client < broker: flow (link-credit)
--- messages
client > broker: transfer
client < broker: disposition (accepted, settled)
--- the end
client = broker: detach, end, close
""",
    "send": """
program, link, session, transport, socket
program > link: send(message)
link: encoded, queued
link > session: if there is credit
session > transport: if the window is open
transport > socket: transfer frames
transport < socket: disposition frame
link < transport: outcome, settled
program < link: on_accepted, on_settled
""",
    "receive": """
socket, transport, session, link, program
socket > transport: bytes
transport > session: transfer
session > link: window, credit
link > program: on_message
link < program: accept
transport < link: marked: disposition
socket < transport: one disposition for many
socket < transport: flow, if half of the prefetch is free
""",
    "loss": """
program, container, broker 1, broker 2
program > container: send(message 1), send(message 2)
container > broker 1: transfer 1, transfer 2
container < broker 1: disposition 1: accepted
program < container: on_accepted, on_settled
broker 1: is stopped, or gone
program < container: on_disconnected
--- after a delay, at the next of the urls
program < container: on_reconnecting
container = broker 2: open, begin, attach, as before
container < broker 2: flow (link-credit)
program < container: on_sendable
program > container: message 2 again, with the same id
container > broker 2: transfer 2
container < broker 2: disposition: accepted
program < container: on_accepted, on_settled
""",
    "request": """
client, broker, service
broker < service: attach: receives from "double"
client > broker: attach: receives from a dynamic address
client < broker: attach: the address is "reply-7"
client > broker: transfer to "double": reply_to "reply-7", correlation_id 1
broker > service: transfer
broker < service: transfer to "reply-7": correlation_id 1
broker < service: disposition: accepted
client < broker: transfer
client: matches correlation_id 1
""",
}
SIZE, ROW, TOP, PAD = 12, 30, 46, 16
STEP = re.compile(r"(?P<left>[^<>=:]+?) (?P<arrow>[<>=]) (?P<right>[^:]+): (?P<text>.+)")


def width_of(text: str) -> float:
    """About how wide a text is drawn, in pixels: sans-serif letters of `SIZE`."""
    return 0.56 * SIZE * len(text) + 10


def columns(names: list[str], steps: list[str]) -> list[float]:
    """The place of each participant, so far apart that the text between two of them fits."""
    places = [PAD + width_of(names[0]) / 2 + 6]
    for index, name in enumerate(names[1:], 1):
        place = places[-1] + (width_of(names[index - 1]) + width_of(name)) / 2 + 24
        for match in filter(None, map(STEP.fullmatch, steps)):
            ends = sorted((names.index(match["left"]), names.index(match["right"])))
            if ends[1] == index:
                place = max(place, places[ends[0]] + width_of(match["text"]) + 14)
        places.append(place)
    return places


def arrow(left: float, right: float, y: float, kind: str, text: str) -> list[str]:
    """A line with one or two heads, and its text above it."""
    heads = {">": 'marker-end="url(#head)"', "<": 'marker-start="url(#tail)"'}
    heads["="] = f"{heads['>']} {heads['<']}"
    return [
        f'<path d="M{left + 2:g} {y}H{right - 2:g}" stroke="#2f6db5" stroke-width="1.5" {heads[kind]}/>',
        f'<text x="{(left + right) / 2:g}" y="{y - 5}" text-anchor="middle">{escape(text)}</text>',
    ]


def drawn(chart: str) -> str:
    """A chart as SVG."""
    first, *steps = chart.strip().splitlines()
    names = first.split(", ")
    places = columns(names, steps)
    notes = [step.split(": ", 1) for step in steps if is_note(step)]
    ends = [places[names.index(name)] + width_of(text) + 12 for name, text in notes]
    width = round(max([places[-1] + width_of(names[-1]) / 2 + 6, *ends]) + PAD)
    height = TOP + ROW * len(steps) + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="{SIZE}" fill="#222">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" fill="#2f6db5"/></marker>'
        '<marker id="tail" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse"><path d="M8 0L0 4L8 8z" fill="#2f6db5"/></marker></defs>',
        # A ground of its own: pages with a dark one show the text too.
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for name, place in zip(names, places):
        half = width_of(name) / 2 + 4
        parts += [
            f'<path d="M{place:g} 32V{height - 8}" stroke="#b9bec6"/>',
            f'<rect x="{place - half:g}" y="8" width="{2 * half:g}" height="24" rx="4" '
            'fill="#e9f0f9" stroke="#2f6db5"/>',
            f'<text x="{place:g}" y="24" text-anchor="middle" font-weight="bold">{escape(name)}</text>',
        ]
    for number, step in enumerate(steps):
        y = TOP + ROW * number + 20
        match = STEP.fullmatch(step)
        if step.startswith("--- "):
            parts += [
                f'<path d="M{PAD / 2:g} {y - 4}H{width - PAD / 2:g}" stroke="#b9bec6" stroke-dasharray="4 4"/>',
                f'<rect x="{PAD}" y="{y - 14}" width="{width_of(step[4:]):g}" height="18" fill="#fff"/>',
                f'<text x="{PAD + 4}" y="{y}" font-style="italic" fill="#555">{escape(step[4:])}</text>',
            ]
        elif match:
            left, right = places[names.index(match["left"])], places[names.index(match["right"])]
            parts += arrow(left, right, y, match["arrow"], match["text"])
        else:
            name, text = step.split(": ", 1)
            place = places[names.index(name)]
            parts += [
                f'<rect x="{place + 5:g}" y="{y - 15}" width="{width_of(text):g}" height="20" rx="3" '
                'fill="#fdf6e3" stroke="#d8c89a"/>',
                f'<text x="{place + 10:g}" y="{y - 1}">{escape(text)}</text>',
            ]
    return "\n".join([*parts, "</svg>\n"])


def is_note(step: str) -> bool:
    return not step.startswith("--- ") and not STEP.fullmatch(step)


if __name__ == "__main__":
    for title, source in CHARTS.items():
        (FOLDER / f"{title}.svg").write_text(drawn(source), encoding="utf-8")
