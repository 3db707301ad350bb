"""Formats numbers and tables for a terminal and a notebook."""

import html
import io
import math
from collections.abc import Collection, Sequence

WIDTH = 100  # characters per line

Rows = Sequence[Sequence[str]]


def text(
    columns: Sequence[str],
    rows: Rows,
    left: Collection[str] = (),
    folded: Collection[str] = (),
    width: int = WIDTH,
) -> str:
    """Formats a table as plain text without control characters.

    Args:
      columns: names of the columns.
      rows: cells, one per column.
      left: left-aligned columns (words); the others are right-aligned.
      folded: columns whose cells may take several lines.
      width: largest number of characters per line.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(
            column,
            justify="left" if column in left else "right",
            no_wrap=column not in folded,
            overflow="fold" if column in folded else "ellipsis",
        )
    for row in rows:
        table.add_row(*row)
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None, markup=False).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip("\n").split("\n"))


def page(
    columns: Sequence[str],
    rows: Rows,
    left: Collection[str] = (),
    caption: str = "",
    below: Sequence[str] = (),
) -> str:
    """Formats a table as HTML that needs no style sheet.

    Args:
      columns: names of the columns.
      rows: cells, one per column.
      left: left-aligned columns (words); the others are right-aligned.
      caption: line above the table.
      below: lines below the table.
    """

    def cell(kind: str, column: str, content: str) -> str:
        side = "left" if column in left else "right"
        return f'<{kind} style="text-align:{side}">{html.escape(content)}</{kind}>'

    head = "".join(cell("th", column, column) for column in columns)
    body = "".join(
        "<tr>" + "".join(map(cell, ["td"] * len(columns), columns, row)) + "</tr>" for row in rows
    )
    above = (
        f'<caption style="caption-side:top;text-align:left">{html.escape(caption)}</caption>'
        if caption
        else ""
    )
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in below)
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{lines}"


def interval(low: float | None, high: float | None) -> str:
    """Formats an interval; "none" if an end is None, or neither is finite."""
    if low is None or high is None or not (math.isfinite(low) or math.isfinite(high)):
        return "none"
    return f"[{number(low)}, {number(high)}]"


def number(value: float) -> str:
    """Formats a number with four significant digits, without an exponent if possible."""
    if not math.isfinite(value):
        return "-" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if value == 0.0 or 1e-4 <= abs(value) < 1e6:
        digits = 4 if value == 0.0 else max(0, 3 - math.floor(math.log10(abs(value))))
        return f"{value:.{min(digits, 6)}f}"
    return f"{value:.2e}"
