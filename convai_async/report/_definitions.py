"""Definitions of the tables and key figures of a report: which numbers of which cube, and how they are computed.

`page.js` computes the same for the days and agents that a reader selects, from the same definitions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from convai_async.report._cubes import OTHER_LABEL, compute_percentile
from convai_async.report._queries import FIRST_BYTE, OTHER_AGENTS

if TYPE_CHECKING:
    from convai_async.report._cubes import Cube
    from convai_async.report._queries import ReportData

Value: TypeAlias = str | float | None
Format: TypeAlias = Literal["text", "count", "percent", "seconds", "minutes", "credits", "dollars", "score"]


class Label(msgspec.Struct, frozen=True, tag="label"):
    """A column with the bucket, the agent, or the label of a category.

    Attributes:
        name: Its name.
        title: Its heading.
        by: ``"bucket"``, ``"agent"``, or the number of the category.
    """

    name: str
    title: str
    by: Literal["bucket", "agent"] | int
    format: Format = "text"


class Sum(msgspec.Struct, frozen=True, tag="sum"):
    """A column with the sum of a measure.

    Attributes:
        name: The name of the measure.
        title: Its heading.
        format: How it is written.
    """

    name: str
    title: str
    format: Format = "count"


class Ratio(msgspec.Struct, frozen=True, tag="ratio"):
    """A column with the sum of a measure, divided by the sum of others.

    Attributes:
        name: Its name.
        title: Its heading.
        part: The measure.
        whole: The others.
        format: How it is written.
    """

    name: str
    title: str
    part: str
    whole: tuple[str, ...]
    format: Format = "percent"


class Share(msgspec.Struct, frozen=True, tag="share"):
    """A column with a row's share of the sum of a measure over all rows.

    Attributes:
        name: Its name.
        title: Its heading.
        of: The measure.
        format: How it is written.
    """

    name: str
    title: str
    of: str
    format: Format = "percent"


class Percentile(msgspec.Struct, frozen=True, tag="percentile"):
    """A column with a percentile of durations.

    Attributes:
        name: Its name.
        title: Its heading.
        share: The percentile, from 0 to 1.
        measure: The measure that counts durations.
    """

    name: str
    title: str
    share: float
    measure: str
    format: Format = "seconds"


Number: TypeAlias = Sum | Ratio | Share | Percentile
Column: TypeAlias = Label | Number


class TableDefinition(msgspec.Struct, frozen=True):
    """How a table of a report is computed.

    Attributes:
        title: Its title.
        cube: The name of its cube.
        columns: Its columns; the labels come first.
        order: ``"label"``: in the order of the labels; ``"number"``: by the first number, largest first.
        fixed: A dimension whose selection does not change the table, as the reader selects it there.
    """

    title: str
    cube: str
    columns: tuple[Column, ...]
    order: Literal["label", "number"] = "number"
    fixed: Literal["bucket", "agent"] | None = None


def _build_percentiles(measure: str, *shares: int) -> tuple[Percentile, ...]:
    return tuple(Percentile(f"p{share}", f"p{share}", share / 100, measure) for share in shares)


_SUCCESS = Ratio("success_rate", "Success", "success", ("success", "failure"))
_CALLS_SHARE = (Sum("calls", "Calls"), Share("share", "Share", "calls"))

TABLES: dict[str, TableDefinition] = {
    "volume": TableDefinition(
        "Calls over time",
        "calls",
        (
            Label("date", "From", "bucket"),
            Sum("calls", "Calls"),
            Sum("success", "Successful"),
            Sum("failure", "Failed"),
            _SUCCESS,
            Ratio("pass_rate", "Criteria met", "passed", ("passed", "missed")),
        ),
        order="label",
        fixed="bucket",
    ),
    "agents": TableDefinition(
        "Agents",
        "calls",
        (
            Label("agent", "Agent", "agent"),
            Sum("calls", "Calls"),
            _SUCCESS,
            Sum("seconds", "Minutes", "minutes"),
            Ratio("rating", "Rating", "rating_sum", ("ratings",), "score"),
            Sum("cost", "Credits", "credits"),
            Sum("price", "Cost", "dollars"),
        ),
        fixed="agent",
    ),
    "hours": TableDefinition(
        "Day of the week and hour",
        "hours",
        (Label("weekday", "Day", 0), Label("hour", "Hour", 1), Sum("calls", "Calls")),
        order="label",
    ),
    "criteria": TableDefinition(
        "Evaluation criteria",
        "criteria",
        (
            Label("criterion", "Criterion", 0),
            Sum("results", "Results"),
            Sum("success", "Met"),
            Sum("failure", "Not met"),
            Ratio("pass_rate", "Pass rate", "success", ("success", "failure")),
        ),
    ),
    "durations": TableDefinition(
        "Duration", "durations", (Label("duration", "Duration", 0), *_CALLS_SHARE), order="label"
    ),
    "latency": TableDefinition(
        "Latency by stage",
        "latency",
        (Label("stage", "Stage", 0), Sum("turns", "Turns"), *_build_percentiles("turns", 50, 95, 99)),
    ),
    "costs": TableDefinition(
        "Cost by agent and model",
        "models",
        (
            Label("agent", "Agent", "agent"),
            Label("model", "Model", 0),
            Sum("price", "Cost", "dollars"),
            Sum("input", "Tokens in"),
            Sum("output", "Tokens out"),
            Sum("calls", "Calls"),
        ),
    ),
    "tools": TableDefinition(
        "Tool calls",
        "tools",
        (
            Label("tool", "Tool", 0),
            Sum("calls", "Tool calls"),
            Sum("failed", "Failed"),
            Ratio("failure_rate", "Failure rate", "failed", ("calls",)),
            *_build_percentiles("calls", 50, 95),
        ),
    ),
    "endings": TableDefinition("Why calls end", "endings", (Label("reason", "Reason", 0), *_CALLS_SHARE)),
    "errors": TableDefinition("Errors", "errors", (Label("reason", "Reason", 0), *_CALLS_SHARE)),
    "languages": TableDefinition("Languages", "languages", (Label("language", "Language", 0), *_CALLS_SHARE)),
    "ratings": TableDefinition(
        "Ratings and feedback",
        "ratings",
        (Label("rating", "Rating", 0), Sum("ratings", "Ratings"), Share("share", "Share", "ratings")),
    ),
    "collected": TableDefinition(
        "Collected data",
        "collected",
        (Label("name", "Name", 0), Label("value", "Value", 1), Sum("calls", "Calls")),
    ),
}
"""The tables by their names."""


class FigureDefinition(msgspec.Struct, frozen=True):
    """How a key figure is computed.

    Attributes:
        cube: The name of its cube.
        column: Its number, of all rows.
        only: The label of the first category that is counted; None means all.
        more_is: Whether more is better or worse.
    """

    cube: str
    column: Sum | Ratio | Percentile
    only: str | None = None
    more_is: Literal["better", "worse", "neither"] = "neither"


FIGURES: dict[str, FigureDefinition] = {
    "calls": FigureDefinition("calls", Sum("calls", "Calls")),
    "success_rate": FigureDefinition("calls", _SUCCESS, more_is="better"),
    "pass_rate": FigureDefinition(
        "calls", Ratio("pass_rate", "Criteria met", "passed", ("passed", "missed")), more_is="better"
    ),
    "minutes": FigureDefinition("calls", Sum("seconds", "Minutes", "minutes")),
    "median_duration": FigureDefinition("durations", Percentile("p50", "Median duration", 0.5, "calls")),
    "first_byte_p95": FigureDefinition(
        "latency",
        Percentile("p95", "Model's first byte, p95", 0.95, "turns"),
        FIRST_BYTE,
        more_is="worse",
    ),
    "tool_failure_rate": FigureDefinition(
        "tools", Ratio("failure_rate", "Failed tool calls", "failed", ("calls",)), more_is="worse"
    ),
    "rating": FigureDefinition(
        "calls", Ratio("rating", "Rating", "rating_sum", ("ratings",), "score"), more_is="better"
    ),
    "cost": FigureDefinition("calls", Sum("cost", "Credits", "credits"), more_is="worse"),
    "price": FigureDefinition("calls", Sum("price", "Cost", "dollars"), more_is="worse"),
}
"""The key figures by their names."""


class _Group:
    """The sums of some rows of a cube."""

    def __init__(self, cube: Cube) -> None:
        self.sums = dict.fromkeys(cube.measures, 0.0)
        self.bins: dict[str, dict[int, float]] = {measure: {} for measure in cube.measures}
        self._width = cube.width

    def add(self, numbers: list[float], number_of_bin: int) -> None:
        for measure, number in zip(self.sums, numbers, strict=True):
            self.sums[measure] += number
            if number_of_bin:  # 0 is for calls whose duration is not known
                bins = self.bins[measure]
                bins[number_of_bin - 1] = bins.get(number_of_bin - 1, 0) + number

    def compute(self, column: Number, total: _Group) -> Value:
        match column:
            case Sum():
                return self.sums[column.name]
            case Ratio():
                whole = sum(self.sums[each] for each in column.whole)
                return self.sums[column.part] / whole if whole else None
            case Share():
                return self.sums[column.of] / (total.sums[column.of] or 1)
            case _:
                return compute_percentile(self.bins[column.measure], column.share, self._width)


def compute_table(data: ReportData, definition: TableDefinition) -> list[list[Value]]:
    """Return the rows of a table: labels, then numbers."""
    cube = data.cubes[definition.cube]
    labels = [column for column in definition.columns if isinstance(column, Label)]
    groups: dict[tuple[int, ...], _Group] = {}
    total = _Group(cube)
    for row in cube.rows:
        parts, numbers = row[: -len(cube.measures)], row[-len(cube.measures) :]
        number_of_bin = int(parts[-1]) if cube.width else 0
        key = tuple(_read_part(data, column, parts) for column in labels)
        groups.setdefault(key, _Group(cube)).add(numbers, number_of_bin)
        total.add(numbers, number_of_bin)
    others = [column for column in definition.columns if not isinstance(column, Label)]
    rows: list[list[Value]] = [
        [
            *(_read_label(data, cube, column, part) for column, part in zip(labels, key, strict=True)),
            *(group.compute(column, total) for column in others),
        ]
        for key, group in sorted(groups.items())
    ]
    if definition.order == "number":
        rows.sort(key=lambda row: (_is_other(row, len(labels)), -float(row[len(labels)] or 0)))
    return rows


def compute_figure(data: ReportData, figure: FigureDefinition) -> Value:
    """Return a key figure; None if nothing was measured."""
    cube = data.cubes[figure.cube]
    group = _Group(cube)
    for row in cube.rows:
        if figure.only is None or cube.labels[0][int(row[1])] == figure.only:
            group.add(row[-len(cube.measures) :], int(row[-len(cube.measures) - 1]) if cube.width else 0)
    return group.compute(figure.column, group)


def _is_other(row: list[Value], labels: int) -> bool:
    return any(label in {OTHER_LABEL, OTHER_AGENTS} for label in row[:labels])


def _read_part(data: ReportData, column: Label, parts: list[float]) -> int:
    if column.by == "bucket":
        return int(parts[0]) // len(data.agents)
    if column.by == "agent":
        return int(parts[0]) % len(data.agents)
    return int(parts[1 + column.by])


def _read_label(data: ReportData, cube: Cube, column: Label, part: int) -> str:
    if column.by == "bucket":
        return data.buckets.labels[part]
    return data.agents[part] if column.by == "agent" else cube.labels[column.by][part]
