"""The charts of a report, with Altair: the extra ``report``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

if TYPE_CHECKING:
    from convai_async.report._tables import Table

_BLUE, _GREEN, _RED, _GREY, _ORANGE, _PURPLE = "#4c7fe0", "#2f9e7a", "#dd5a48", "#9aa3ad", "#e0953a", "#8f6fd6"
_PALETTE = [_BLUE, _ORANGE, _GREEN, _PURPLE, _RED, "#3aa6b9", "#c76b98", "#8a9a3b", _GREY]
_WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
_OPACITY = 0.15
_BAR_STEP = 24
_CORNER = 2
_HEIGHT = 200
_WIDTH = 560

DATASET = "rows"
"""The name of a chart's data, whose rows are those of its table."""


class Charts:
    """The charts of a report, each an ``altair.Chart`` of a table of the report.

    Args:
        tables: The tables by their names.
        unit: The unit of the buckets of time.
    """

    def __init__(self, tables: dict[str, Table], unit: str) -> None:
        self._tables = tables
        self._unit = unit

    def __repr__(self) -> str:
        return f"<Charts: {', '.join(CHARTS)}>"

    def volume(self) -> Any:
        """Return a chart of the calls over time by result; drag to select days."""
        brush = alt.selection_interval(name="days", encodings=["x"])
        return (
            self._build_chart("volume", f"Bars: calls by {self._unit} and result")
            .transform_calculate(other="datum.calls - datum.success - datum.failure")
            .transform_fold(["success", "failure", "other"], as_=["result", "count"])
            .transform_calculate(order="datum.result == 'failure' ? 0 : datum.result == 'other' ? 1 : 2", day=_DAY)
            .mark_bar()
            .encode(
                x=self._time(),
                y=alt.Y("count:Q", title="calls"),
                color=alt.Color(
                    "result:N",
                    title=None,
                    scale=alt.Scale(domain=["success", "failure", "other"], range=[_GREEN, _RED, _GREY]),
                ),
                order="order:Q",
                opacity=_FADED,
                tooltip=[alt.Tooltip("day:N", title="from"), "result:N", alt.Tooltip("count:Q", title="calls")],
            )
            .add_params(brush)
            .properties(height=_HEIGHT)
        )

    def success(self) -> Any:
        """Return a chart of the success rate and the pass rate of evaluation criteria over time."""
        return (
            self._build_chart("volume", f"Lines: success rate and pass rate of evaluation criteria by {self._unit}")
            .transform_fold(["success_rate", "pass_rate"], as_=["rate", "value"])
            .transform_filter("isValid(datum.value)")
            .transform_calculate(name="datum.rate == 'success_rate' ? 'calls successful' : 'criteria met'", day=_DAY)
            .mark_line(point=True, strokeWidth=2)
            .encode(
                x=self._time(),
                y=alt.Y("value:Q", title=None, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
                color=alt.Color("name:N", title=None, scale=alt.Scale(range=[_GREEN, _BLUE])),
                tooltip=[
                    alt.Tooltip("day:N", title="from"),
                    "name:N",
                    alt.Tooltip("value:Q", title="rate", format=".1%"),
                ],
            )
            .properties(height=_HEIGHT)
        )

    def hours(self) -> Any:
        """Return a heat map of the calls by day of the week and hour."""
        return (
            self._build_chart("hours", "Heat map: calls by day of the week and hour in UTC")
            .mark_rect(color=_BLUE, cornerRadius=_CORNER)
            .encode(
                x=alt.X(
                    "hour:O",
                    title="hour (UTC)",
                    scale=alt.Scale(domain=[f"{hour:02}" for hour in range(24)], padding=0.08),
                    axis=alt.Axis(labelAngle=0, labelOverlap=True),
                ),
                y=alt.Y("weekday:O", title=None, scale=alt.Scale(domain=_WEEKDAYS, padding=0.08)),
                opacity=alt.Opacity("calls:Q", legend=None, scale=alt.Scale(range=[_OPACITY, 1], zero=True)),
                tooltip=["weekday:O", "hour:O", "calls:Q"],
            )
            .properties(height=_HEIGHT)
        )

    def agents(self) -> Any:
        """Return bars of the calls by agent; click one to select it."""
        choice = alt.selection_point(name="agent", fields=["agent"], toggle=False)
        return self._build_bars("agents", "agent", "Bars: calls by agent").encode(opacity=_FADED).add_params(choice)

    def criteria(self) -> Any:
        """Return bars of the results by evaluation criterion."""
        return self._build_stacked_bars(
            "criteria",
            "criterion",
            "Bars: results by evaluation criterion",
            {"success": ("met", _GREEN), "failure": ("not met", _RED), "unknown": ("unknown", _GREY)},
            rest=("unknown", "datum.results - datum.success - datum.failure"),
        )

    def durations(self) -> Any:
        """Return a histogram of the durations."""
        return (
            self._build_chart("durations", "Histogram: calls by duration")
            .mark_bar(color=_BLUE, cornerRadiusEnd=_CORNER)
            .encode(
                x=alt.X("duration:O", title=None, sort=_AS_IN_TABLE, axis=alt.Axis(labelAngle=-40)),
                y=alt.Y("calls:Q", title="calls"),
                tooltip=["duration:O", "calls:Q", alt.Tooltip("share:Q", format=".1%")],
            )
            .properties(height=_HEIGHT)
        )

    def latency(self) -> Any:
        """Return the percentiles of the latency by stage."""
        return self._build_percentile_chart("latency", "stage", ["p50", "p95", "p99"], "Latency by stage")

    def costs(self) -> Any:
        """Return bars of the cost by agent and language model."""
        return (
            self._build_chart("costs", "Bars: cost of the language models by agent and model, in US dollars")
            .mark_bar(cornerRadiusEnd=_CORNER)
            .encode(
                x=alt.X("sum(price):Q", title="US dollars"),
                y=alt.Y("agent:N", title=None, sort="-x", axis=_LABELS),
                color=alt.Color(
                    "model:N", title=None, scale=alt.Scale(range=_PALETTE), legend=alt.Legend(columns=2, labelLimit=120)
                ),
                tooltip=["agent:N", "model:N", alt.Tooltip("price:Q", format="$,.4f"), "calls:Q"],
            )
            .properties(height=alt.Step(_BAR_STEP))
        )

    def tools(self) -> Any:
        """Return bars of the tool calls by tool and result."""
        return self._build_stacked_bars(
            "tools",
            "tool",
            "Bars: tool calls by tool and result",
            {"succeeded": ("succeeded", _BLUE), "failed": ("failed", _RED)},
            rest=("succeeded", "datum.calls - datum.failed"),
        )

    def tool_latency(self) -> Any:
        """Return the percentiles of the latency by tool."""
        return self._build_percentile_chart("tools", "tool", ["p50", "p95"], "Latency by tool")

    def endings(self) -> Any:
        """Return bars of the reasons why calls end."""
        return self._build_bars("endings", "reason", "Bars: calls by the reason why they ended")

    def errors(self) -> Any:
        """Return bars of the errors that ended calls."""
        return self._build_bars("errors", "reason", "Bars: calls by the error that ended them", color=_RED)

    def languages(self) -> Any:
        """Return bars of the calls by language."""
        return self._build_bars("languages", "language", "Bars: calls by language")

    def ratings(self) -> Any:
        """Return bars of the calls by rating."""
        return self._build_bars("ratings", "rating", "Bars: ratings, likes and dislikes", color=_ORANGE)

    def collected(self) -> Any:
        """Return bars of the values that were collected."""
        return (
            self._build_chart("collected", "Bars: calls by collected value")
            .transform_calculate(label="datum.name + ': ' + datum.value")
            .mark_bar(cornerRadiusEnd=_CORNER)
            .encode(
                x=alt.X("calls:Q", title="calls"),
                y=alt.Y("label:N", title=None, sort=alt.EncodingSortField("name"), axis=_LABELS),
                color=alt.Color("name:N", legend=None, scale=alt.Scale(range=_PALETTE)),
                tooltip=["name:N", "value:N", "calls:Q"],
            )
            .properties(height=alt.Step(_BAR_STEP))
        )

    def build_all(self) -> dict[str, Any]:
        """Return all charts by their names."""
        return {name: getattr(self, name)() for name in CHARTS}

    def _build_chart(self, table: str, description: str) -> Any:
        data = alt.InlineData(values=self._tables[table].to_dicts(), name=DATASET)
        chart = alt.Chart(data, description=_describe(description), width=_WIDTH)
        return chart.transform_window(rank="row_number()")

    def _time(self) -> Any:
        """Return the axis of time, where a bar is as wide as its bucket."""
        units = {"day": "utcyearmonthdate", "week": "utcyearweek", "month": "utcyearmonth", "year": "utcyear"}
        form = {"month": "%Y-%m", "year": "%Y"}.get(self._unit, "%b %-d")
        axis = alt.Axis(format=form, labelOverlap=True, labelSeparation=8)
        return alt.X(f"{units[self._unit]}(date):T", title=None, axis=axis)

    def _build_bars(self, table: str, label: str, description: str, *, color: str = _BLUE) -> Any:
        number = self._tables[table].columns[1]
        return (
            self._build_chart(table, description)
            .mark_bar(color=color, cornerRadiusEnd=_CORNER)
            .encode(
                x=alt.X(f"{number}:Q", title=number),
                y=alt.Y(f"{label}:N", title=None, sort=_AS_IN_TABLE, axis=_LABELS),
                tooltip=[f"{label}:N", f"{number}:Q"],
            )
            .properties(height=alt.Step(_BAR_STEP))
        )

    def _build_stacked_bars(
        self, table: str, label: str, description: str, parts: dict[str, tuple[str, str]], rest: tuple[str, str]
    ) -> Any:
        names, colors = zip(*parts.values(), strict=True)
        chosen = " : ".join(f"datum.part == '{part}' ? '{name}'" for part, (name, _) in parts.items())
        return (
            self._build_chart(table, description)
            .transform_calculate(**{rest[0]: rest[1]})
            .transform_fold(list(parts), as_=["part", "count"])
            .transform_calculate(result=f"{chosen} : ''")
            .mark_bar()
            .encode(
                x=alt.X("count:Q", title="results" if table == "criteria" else "tool calls"),
                y=alt.Y(f"{label}:N", title=None, sort=_AS_IN_TABLE, axis=_LABELS),
                color=alt.Color("result:N", title=None, scale=alt.Scale(domain=names, range=colors)),
                tooltip=[f"{label}:N", "result:N", "count:Q"],
            )
            .properties(height=alt.Step(_BAR_STEP))
        )

    def _build_percentile_chart(self, table: str, label: str, shares: list[str], description: str) -> Any:
        y = alt.Y(f"{label}:N", title=None, sort=_AS_IN_TABLE, axis=_LABELS)
        text = f"{description}: {', '.join(shares)} in seconds"
        base = self._build_chart(table, text).transform_filter("isValid(datum.p50)")
        line = base.mark_rule(color=_GREY, strokeWidth=3, opacity=0.5).encode(
            x=alt.X("p50:Q", title="seconds"), x2=f"{shares[-1]}:Q", y=y
        )
        points = (
            base.transform_fold(shares, as_=["percentile", "seconds"])
            .mark_point(filled=True, size=90, opacity=1)
            .encode(
                x="seconds:Q",
                y=y,
                color=alt.Color(
                    "percentile:N",
                    title=None,
                    scale=alt.Scale(domain=shares, range=[_BLUE, _ORANGE, _RED][: len(shares)]),
                ),
                tooltip=[f"{label}:N", "percentile:N", alt.Tooltip("seconds:Q", format=".2f")],
            )
        )
        return alt.layer(line, points, description=_describe(text)).properties(height=alt.Step(_BAR_STEP + 6))


def _describe(chart: str) -> str:
    """Return the text of a chart for screen readers."""
    return f"{chart}. The table below has the numbers."


_DAY = "utcFormat(toDate(datum.date), '%Y-%m-%d')"
_FADED = alt.condition("datum.selected === false", alt.value(0.35), alt.value(1))
"""The page says which rows are selected."""
_AS_IN_TABLE = alt.EncodingSortField("rank", op="min")
"""A sort of None would not be kept when the page changes the data."""
_LABELS = alt.Axis(labelLimit=190, labelPadding=7, ticks=False, domain=False)

NEEDS = {"success": ["success_rate", "pass_rate"], "latency": ["p50"], "tool_latency": ["p50"]}
"""Charts of columns that can be empty: a chart has nothing to draw if all of these are."""
CHARTS = {
    "volume": "volume",
    "success": "volume",
    "hours": "hours",
    "agents": "agents",
    "criteria": "criteria",
    "durations": "durations",
    "latency": "latency",
    "costs": "costs",
    "tools": "tools",
    "tool_latency": "tools",
    "endings": "endings",
    "errors": "errors",
    "languages": "languages",
    "ratings": "ratings",
    "collected": "collected",
}
"""The name of each chart, and of its table."""
