"""Flame graphs: one self-contained SVG of stacks and their counts.

Each frame is a box, as wide as its share of the counts, upon the frame that called it; boxes of one parent stand in the
order of their names. A click enlarges a box to the whole width, another on the bottom goes back; what is searched for
is coloured. Without a script the picture is the same, and each box tells its share where the pointer is.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from html import escape

_WIDTH, _ROW, _MARGIN, _TOP, _BOTTOM = 1200, 17, 10, 52, 28
_LETTER = 7.0  # of the font, in units of the picture
_LEAST = 0.1  # width of a box that is drawn

_STYLE = """
text { font: 12px monospace; fill: #222; pointer-events: none }
rect { stroke: #fff; stroke-width: .4; cursor: pointer }
rect.found { fill: #b0f }
.title { font-size: 16px; text-anchor: middle }
#search { pointer-events: all; cursor: pointer; text-anchor: end }
"""

_SCRIPT = """
const boxes = [...document.querySelectorAll("g.box")], whole = %(width)s, margin = %(margin)s, letter = %(letter)s;
function put(box, x, w) {
  box.style.display = w < 0.1 ? "none" : "";
  const rect = box.querySelector("rect"), text = box.querySelector("text"), name = box.dataset.n;
  rect.setAttribute("x", x); rect.setAttribute("width", w); text.setAttribute("x", x + 3);
  const room = Math.floor((w - 4) / letter);
  text.textContent = room < 3 ? "" : name.length <= room ? name : name.slice(0, room - 2) + "..";
}
function zoom(box) {
  const from = +box.dataset.x, width = +box.dataset.w, row = +box.dataset.r, scale = whole / width;
  for (const one of boxes) {
    const x = +one.dataset.x, w = +one.dataset.w, below = +one.dataset.r < row;
    if (below && x <= from && x + w >= from + width) put(one, margin, whole);
    else if (below || x + w <= from || x >= from + width) put(one, margin, 0);
    else put(one, margin + (x - from) * scale, w * scale);
  }
}
function search() {
  const asked = prompt("Text in names", "");
  if (asked === null) return;
  for (const one of boxes)
    one.querySelector("rect").classList.toggle("found", asked !== "" && one.dataset.n.includes(asked));
}
for (const one of boxes) one.addEventListener("click", () => zoom(one));
document.getElementById("search").addEventListener("click", search);
"""


class _Box:
    """A frame. count: of all stacks that go through it."""

    def __init__(self) -> None:
        self.count, self.inside = 0, dict[str, _Box]()


def flame_graph(stacks: Mapping[str, int], title: str = "Flame graph", unit: str = "samples") -> str:
    """The picture as text. stacks: lines `outermost;…;innermost` with their counts, as `folded` gives them."""
    root = _Box()
    for line, count in stacks.items():
        root.count += count
        at = root
        for name in line.split(";"):
            at = at.inside.setdefault(name, _Box())
            at.count += count
    depth = _depth(root)
    height = _TOP + (depth + 1) * _ROW + _BOTTOM
    drawn = "".join(_drawn("all", root, 0.0, float(_WIDTH), 0, root.count, height - _BOTTOM - _ROW, unit))
    around = _WIDTH + 2 * _MARGIN
    numbers = {"width": _WIDTH, "margin": _MARGIN, "letter": _LETTER}
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {around} {height}" width="{around}" height="{height}">\n'
        f"<style>{_STYLE}</style>\n"
        f'<rect width="{around}" height="{height}" fill="#f8f8f0"/>\n'
        f'<text class="title" x="{around // 2}" y="24">{_told(title)}</text>\n'
        f'<text id="search" x="{around - _MARGIN}" y="24">search</text>\n'
        f"{drawn}<script><![CDATA[{_SCRIPT % numbers}]]></script>\n</svg>\n"
    )


def _depth(box: _Box) -> int:
    depth, level = 0, list(box.inside.values())
    while level:
        depth, level = depth + 1, [inner for one in level for inner in one.inside.values()]
    return depth


def _drawn(name: str, box: _Box, x: float, width: float, row: int, whole: int, bottom: int, unit: str) -> list[str]:
    """The boxes of a frame and of those upon it; without recursion, since stacks are deep."""
    found: list[str] = []
    waiting = [(name, box, x, width, row)]
    while waiting:
        name, box, x, width, row = waiting.pop()
        if width < _LEAST:
            continue
        found.append(_box(name, box.count, x, width, row, whole, bottom, unit))
        at = x
        for inner, one in sorted(box.inside.items()):
            share = width * one.count / box.count if box.count else 0.0
            waiting.append((inner, one, at, share, row + 1))
            at += share
    return found


def _box(name: str, count: int, x: float, width: float, row: int, whole: int, bottom: int, unit: str) -> str:
    room = int((width - 4) / _LETTER)
    shown = "" if room < 3 else name if len(name) <= room else f"{name[: room - 2]}.."
    y, left = bottom - row * _ROW, x + _MARGIN
    share = 100 * count / whole if whole else 0.0
    return (
        f'<g class="box" data-n="{_told(name)}" data-x="{x:.2f}" data-w="{width:.2f}" data-r="{row}">'
        f"<title>{_told(name)}: {count} {_told(unit)}, {share:.2f}%</title>"
        f'<rect x="{left:.2f}" y="{y}" width="{width:.2f}" height="{_ROW - 1}" fill="{_colour(name)}"/>'
        f'<text x="{left + 3:.2f}" y="{y + 12}">{_told(shown)}</text></g>\n'
    )


def _told(text: str) -> str:
    """As XML has it, which has no control characters."""
    return escape("".join(one if one >= " " else "?" for one in text))


def _colour(name: str) -> str:
    """Warm, and always the same for a name."""
    number = zlib.crc32(name.encode(errors="replace"))
    return f"rgb({205 + number % 50},{80 + number // 50 % 130},{number // 6500 % 60})"


__all__ = ["flame_graph"]
