"""Where the bytes of an executable are, as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from .parsers import is_executable
from .shell import RecipeError, exit_on_error, printable

WIDTH, HEIGHT, TITLE, LABEL, GAP = 1200.0, 720.0, 44.0, 20.0, 2.0
"""The picture's size, its title's height, a part's label's height, and what is around a part."""

COLOURS = {
    "interpreter": "#5b6c7f",
    "library": "#3f7cac",
    "data": "#8d99a6",
    "dependency": "#5a9367",
    "program": "#d1793a",
}
"""The colour of each kind of part; on all of them white letters can be read."""


@dataclass
class Part:
    """A part of an executable: its kind, its name, its bytes packed and unpacked, what is in it."""

    kind: str
    name: str
    packed: int = 0
    size: int = 0
    parts: dict[str, Part] = field(default_factory=dict)

    def add(self, name: str, packed: int, size: int) -> None:
        """Add what is in it."""
        self.packed, self.size = self.packed + packed, self.size + size
        part = self.parts.setdefault(name, Part(self.kind, name))
        part.packed, part.size = part.packed + packed, part.size + size

    def row(self) -> dict[str, Any]:
        """The part as JSON has it, and what is in it, the largest first."""
        parts = sorted(self.parts.values(), key=lambda part: -part.packed)
        inner = {one.name: {"packed": one.packed, "unpacked": one.size} for one in parts}
        row = {"kind": self.kind, "name": self.name, "packed": self.packed, "unpacked": self.size}
        return {**row, "parts": inner}


def write_treemap(parts: Iterable[Part], name: str, path: Path) -> None:
    """Write an SVG file in which the area of each part is in proportion to its packed bytes."""
    if path.exists() and is_executable(path):
        raise RecipeError(f"--svg={path} is an executable; name another file")
    parts = [part for part in parts if part.packed]
    total = sum(part.packed for part in parts)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}"'
        ' font-family="system-ui, sans-serif" font-size="12" fill="white">',
        '<rect width="100%" height="100%" fill="#f4f5f6"/>',
        f'<text x="8" y="29" font-size="20" fill="#22272c">{escape(printable(name))}: '
        f"{total / 1e6:,.1f} MB</text>",
    ]
    for part, (x, y, width, height) in lay_out(parts, 0, TITLE, WIDTH, HEIGHT - TITLE):
        lines += [rectangle(part, x, y, width, height, COLOURS[part.kind], part.name)]
        inner = list(part.parts.values())
        shares = [one.packed / part.packed for one in inner]
        if inner and max(shares) < 0.9 and width > 3 * LABEL and height > 3 * LABEL:
            for one, box in lay_out(inner, x, y + LABEL, width, height - LABEL):
                lines += [rectangle(one, *box, "#00000026", f"{part.name}: {one.name}")]
    with exit_on_error(f"{path} cannot be written"):
        path.write_text("\n".join([*lines, "</svg>", ""]), "utf-8")


def lay_out(
    parts: Iterable[Part], x: float, y: float, width: float, height: float
) -> Iterator[tuple[Part, tuple[float, float, float, float]]]:
    """Divide a rectangle among parts; each gets its own, with a gap around it, unless too small."""
    try:
        squarify = import_module("squarify")
    except ModuleNotFoundError as error:
        raise RecipeError("--svg needs squarify; pip install squarify") from error
    ordered = sorted((part for part in parts if part.packed), key=lambda part: -part.packed)
    sizes = squarify.normalize_sizes([part.packed for part in ordered], width, height)
    for part, box in zip(ordered, squarify.squarify(sizes, x, y, width, height)):
        inner = (box["x"] + GAP, box["y"] + GAP, box["dx"] - 2 * GAP, box["dy"] - 2 * GAP)
        if inner[2] > 1 and inner[3] > 1:
            yield part, inner


def rectangle(
    part: Part, x: float, y: float, width: float, height: float, colour: str, title: str
) -> str:
    """A part's rectangle, its name and size as far as they fit, and both in full as its title."""
    size = f"{part.packed / 1e6:,.2f} MB" if part.packed > 1e5 else f"{part.packed / 1e3:,.1f} kB"
    room = int((width - 8) / 7.3)
    label = f"{part.name}  {size}"
    label = label if len(label) <= room else part.name
    label = label if len(label) <= room else f"{label[: room - 1]}…" if room > 4 else ""
    text = f'<text x="{x + 5:.1f}" y="{y + 14:.1f}">{escape(printable(label))}</text>'
    return (
        f'<g><title>{escape(printable(title))}, {size}</title><rect x="{x:.1f}" y="{y:.1f}"'
        f' width="{width:.1f}" height="{height:.1f}" rx="2" fill="{colour}"/>'
        f"{text if label and height >= LABEL - 4 else ''}</g>"
    )
