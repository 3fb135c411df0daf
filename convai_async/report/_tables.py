"""The key figures and tables of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from convai_async.report._formatting import format_change, format_value
from convai_async.report._views import FIGURES, VIEWS, Value, evaluate_figure, evaluate_view

if TYPE_CHECKING:
    from convai_async.report._queries import Facts


class Figure(msgspec.Struct, frozen=True):
    """A key figure of a report.

    Attributes:
        name: Its name.
        title: Its title.
        value: Its value; None if nothing was measured.
        text: The value as text, with its unit.
        change: The change from the period before as text, such as ``"+12 %"``, or None.
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
        rows: Its rows: labels and numbers. Durations are in seconds, shares from 0 to 1.
        texts: Its rows as text, with units.
    """

    name: str
    title: str
    columns: list[str]
    headings: list[str]
    rows: list[list[Value]]
    texts: list[list[str]]

    def to_dicts(self) -> list[dict[str, Value]]:
        """Return the rows as dictionaries: ``pandas.DataFrame(report.tables["latency"].to_dicts())``."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def build_figures(facts: Facts, before: Facts | None) -> dict[str, Figure]:
    """Return the key figures by their names, compared with those of another period."""
    figures = {}
    for name, view in FIGURES.items():
        now = evaluate_figure(facts, view)
        then = None if before is None else evaluate_figure(before, view)
        change = format_change(now, then, view.column.format)
        is_better = None
        if change is not None and view.more_is != "neither" and now != then:
            is_better = (now > then) == (view.more_is == "better")  # type: ignore[operator]
        text = format_value(now, view.column.format)
        figures[name] = Figure(name, view.column.title, now, text, change, is_better)
    return figures


def build_table(facts: Facts, name: str) -> Table:
    """Return a table."""
    view = VIEWS[name]
    rows = evaluate_view(facts, view)
    return Table(
        name,
        view.title,
        [column.name for column in view.columns],
        [column.title for column in view.columns],
        rows,
        [[format_value(value, column.format) for value, column in zip(row, view.columns, strict=True)] for row in rows],
    )
