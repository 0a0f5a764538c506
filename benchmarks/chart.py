"""Draw the results as a picture: one bar for each ratio, beside its target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

WIDTH, MARGIN, LABEL, GAP = 1080.0, 24.0, 176.0, 28.0
"""The width of the picture, of its margin, of a row's label, and of the gap between columns."""

TOP, HEIGHT, BAR = 104.0, 50.0, 12.0
"""The heights of the head, of a row, and of a bar."""

LIMIT = 2.0
"""The ratio at which a bar is cut off."""

PAPER, INK, FAINT, TRACK = "#fbfbfa", "#22272c", "#66707a", "#e4e7ea"
COLOURS = {True: "#2f7d5b", False: "#c8642b", None: "#5b6c7f"}
"""The colours of bars: with the target met, not met, and without a target."""


class Cell(NamedTuple):
    """One result: a ratio, the tool that it is over, and the ratio to reach."""

    row: str
    column: str
    ratio: float
    over: str
    target: float | None

    @property
    def met(self) -> bool | None:
        """Tell whether the target is met, rounded as it is printed; None without a target."""
        return None if self.target is None else round(self.ratio, 2) <= self.target

    @property
    def text(self) -> str:
        """Format the ratio, and the tool that it is over."""
        return f"{self.ratio:.2f} \N{MULTIPLICATION SIGN} {self.over}"

    def __str__(self) -> str:
        target = "" if self.target is None else f" (≤ {self.target}) {'✗✓'[bool(self.met)]}"
        return self.text + target


def text(x: float, y: float, words: str, size: int = 13, fill: str = INK, more: str = "") -> str:
    """Draw a line of text."""
    start = f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}"'
    return f"{start}{more}>{escape(words)}</text>"


def rectangle(x: float, y: float, width: float, height: float, fill: str) -> str:
    """Draw a bar, or a part of one."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} rx="1.5" fill="{fill}"/>'


def line(x: float, top: float, bottom: float, colour: str, width: float) -> str:
    """Draw an upright line."""
    points = f'x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"'
    return f'<line {points} stroke="{colour}" stroke-width="{width:.1f}"/>'


def draw_cell(cell: Cell, x: float, y: float, width: float) -> Iterator[str]:
    """Draw one result: its text, and below it the bar, with marks at 1 and at the target."""
    unit, top = width / LIMIT, y + 20
    yield text(x, y + 13, cell.text, more=' font-weight="600"')
    if cell.target is not None:
        end = f"target {cell.target}"
        yield text(x + width, y + 13, end, 11, COLOURS[cell.met], ' text-anchor="end"')
    yield rectangle(x, top, width, BAR, TRACK)
    yield rectangle(x, top, max(1.0, min(cell.ratio, LIMIT) * unit), BAR, COLOURS[cell.met])
    if cell.ratio > LIMIT:  # a torn end
        right, middle = x + width, top + BAR / 2
        points = f"{right - 14},{top} {right - 7},{middle} {right - 14},{top + BAR}"
        yield f'<polyline points="{points}" fill="none" stroke="{PAPER}" stroke-width="2.5"/>'
    yield line(x + unit, top - 2, top + BAR + 2, INK, 1.4)
    if cell.target is not None:
        at, low = x + cell.target * unit, top + BAR
        points = f"{at},{low + 1} {at - 4.5},{low + 8} {at + 4.5},{low + 8}"
        yield f'<polygon points="{points}" fill="{INK}"/>'


def draw_legend(y: float) -> Iterator[str]:
    """Draw the legend of the marks."""
    x = MARGIN
    for met, words in ((True, "target reached"), (False, "not reached"), (None, "no target")):
        yield rectangle(x, y - 9, 18, 10, COLOURS[met])
        yield text(x + 24, y, words, 12, FAINT)
        x += 44 + 6.6 * len(words)
    yield line(x + 4, y - 11, y + 3, INK, 1.4)
    yield text(x + 12, y, "what it is compared with", 12, FAINT)
    x += 176
    yield f'<polygon points="{x},{y - 8} {x - 4.5},{y - 1} {x + 4.5},{y - 1}" fill="{INK}"/>'
    yield text(x + 10, y, "the target", 12, FAINT)
    yield text(WIDTH - MARGIN, y, f"bars end at {LIMIT:.0f}", 12, FAINT, ' text-anchor="end"')


def lines_of(cells: Sequence[Cell]) -> dict[tuple[str, int], dict[str, Cell]]:
    """Arrange the cells in rows: two rows where a column has two results for one measure."""
    rows: dict[tuple[str, int], dict[str, Cell]] = {}
    for row in dict.fromkeys(cell.row for cell in cells):
        for cell in (cell for cell in cells if cell.row == row):
            at = 0
            while cell.column in rows.setdefault((row, at), {}):
                at += 1
            rows[row, at][cell.column] = cell
    return rows


def picture(cells: Sequence[Cell], title: str, note: str) -> Iterable[str]:
    """Draw the picture; yield its lines."""
    rows, columns = lines_of(cells), [*dict.fromkeys(cell.column for cell in cells)]
    width = (WIDTH - 2 * MARGIN - LABEL) / max(1, len(columns)) - GAP
    places = {name: MARGIN + LABEL + at * (width + GAP) + GAP for at, name in enumerate(columns)}
    height = TOP + HEIGHT * len(rows) + 44
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}"'
        " font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\">"
    )
    yield f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>'
    yield text(MARGIN, 36, title, 20, more=' font-weight="600"')
    yield text(MARGIN, 58, note, 13, FAINT)
    for name, x in places.items():
        yield text(x, TOP - 14, name, 15, more=' font-weight="600"')
    for at, ((row, number), found) in enumerate(rows.items()):
        y = TOP + at * HEIGHT
        if not number:
            rule = f'x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y - 2:.1f}" y2="{y - 2:.1f}"'
            yield f'<line {rule} stroke="{TRACK}" stroke-width="1"/>'
            yield text(MARGIN, y + 30, row, 14)
        for name, cell in found.items():
            yield from draw_cell(cell, places[name], y + 2, width)
    yield from draw_legend(height - 18)
    yield "</svg>"


def write_chart(cells: Sequence[Cell], path: Path) -> None:
    """Write the picture."""
    title = "invoke cosmo, beside the article's tool and its nearest peer"
    note = "Ratios, medians of one run on one machine: the shorter the bar, the better."
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*picture(cells, title, note), ""]), "utf-8")
