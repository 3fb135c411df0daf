"""The key figures and tables of a report."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import msgspec

from convai_async.report._definitions import FIGURES, TABLES, Value, compute_figure, compute_table
from convai_async.report._formatting import format_change, format_value

if TYPE_CHECKING:
    from convai_async.report._queries import ReportData


class Figure(msgspec.Struct, frozen=True):
    """A key figure of a report.

    Attributes:
        name: Its name.
        title: Its title.
        value: Its value; None if nothing was measured.
        text: The value as text, with its unit.
        change: The change from the previous period as text, such as ``"+12 %"``, or None.
        is_better: Whether the change is for the better; None if it is neither better nor worse.
    """

    name: str
    title: str
    value: Value
    text: str
    change: str | None = None
    is_better: bool | None = None


class Table(msgspec.Struct, frozen=True):
    """A table of a report.

    Attributes:
        name: Its name.
        title: Its title.
        columns: The names of its columns.
        headings: The headings of its columns.
        rows: Its rows: labels and numbers. Durations are in seconds, rates and shares from 0 to 1.
        texts: Its rows as text, with units.
    """

    name: str
    title: str
    columns: list[str]
    headings: list[str]
    rows: list[list[Value]]
    texts: list[list[str]]

    def __repr__(self) -> str:
        return f"<Table {self.name!r} {len(self.rows):,} rows: {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        lines = [("th", self.headings), *(("td", row) for row in self.texts)]
        rows = "".join(
            f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>" for tag, cells in lines
        )
        return f"<table><caption>{html.escape(self.title)}</caption>{rows}</table>"

    def to_dicts(self) -> list[dict[str, Value]]:
        """Return the rows as dictionaries: ``pandas.DataFrame(report.tables["latency"].to_dicts())``."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def build_figures(data: ReportData, before: ReportData | None) -> dict[str, Figure]:
    """Return the key figures by their names, compared with those of another period."""
    figures = {}
    for name, definition in FIGURES.items():
        now = compute_figure(data, definition)
        then = None if before is None else compute_figure(before, definition)
        change = format_change(now, then, definition.column.format)
        is_better = None
        if change is not None and definition.more_is != "neither" and now != then:
            is_better = (now > then) == (definition.more_is == "better")  # type: ignore[operator]
        text = format_value(now, definition.column.format)
        figures[name] = Figure(name, definition.column.title, now, text, change, is_better)
    return figures


def build_table(data: ReportData, name: str) -> Table:
    """Return a table."""
    definition = TABLES[name]
    rows = compute_table(data, definition)
    return Table(
        name,
        definition.title,
        [column.name for column in definition.columns],
        [column.title for column in definition.columns],
        rows,
        [
            [format_value(value, column.format) for value, column in zip(row, definition.columns, strict=True)]
            for row in rows
        ],
    )
