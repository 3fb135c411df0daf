"""Render a report for a terminal, with rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from convai_async._support.text import to_short_line
from convai_async.report._calls import LIST_TITLES
from convai_async.report._definitions import TABLES, Label
from convai_async.report._formatting import MISSING, format_value

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

    from convai_async.report._calls import CallEntry, CallLists
    from convai_async.report._tables import Figure
    from convai_async.report._tables import Table as ReportTable

_SPARKS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉"
_TO_ASCII = str.maketrans(_SPARKS, ".:-=+*%#") | str.maketrans(_EIGHTHS, "    ####")
_BAR_WIDTH = 16
_WIDE_TABLE = 6
"""Tables with so many columns have shorter bars, to leave room for their labels in 80 columns."""
_MAX_DAYS = 14
_MAX_ROWS = 8
_MAX_COMMENTS = 5
_HOURS_A_DAY = 24
_STYLES = {"success": "green", "failure": "red", "failed": "red"}
_DRAWN_SEPARATELY = {"volume", "hours"}


def render_terminal(
    heading: str, figures: dict[str, Figure], tables: dict[str, ReportTable], calls: CallLists
) -> RenderableType:
    """Return a report as text for a terminal: key figures, bars, sparklines and tables."""
    return Group(
        Text.assemble(("Calls", "bold"), f"  {to_short_line(heading)}"),
        Text(""),
        _render_figures(list(figures.values())),
        *_render_time(tables),
        *(part for name, table in tables.items() if name not in _DRAWN_SEPARATELY for part in _render_table(table)),
        *(part for name in LIST_TITLES for part in _render_calls(name, getattr(calls, name))),
    )


def draw_bar(share: float, width: int = _BAR_WIDTH) -> str:
    """Return a bar whose length is a share of the width, to an eighth of a character."""
    eighths = round(share * width * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def draw_sparkline(values: Sequence[float]) -> str:
    """Return a character for each value, as high as its share of the greatest; a blank for 0."""
    top = max(values, default=0)
    return "".join(_SPARKS[min(7, int(8 * value / top))] if value else " " for value in values)


class _Drawing:
    """A bar or a sparkline, in ASCII if the encoding of the output has no block characters."""

    def __init__(self, blocks: str) -> None:
        self._blocks = blocks

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the text that the console can show."""
        yield self._to_text(options)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return the width of the text."""
        return Measurement.get(console, options, self._to_text(options))

    def _to_text(self, options: ConsoleOptions) -> Text:
        characters = self._blocks.translate(_TO_ASCII).rstrip() if options.ascii_only else self._blocks
        return Text(characters, "blue", no_wrap=True, overflow="crop")


def _render_figures(figures: list[Figure]) -> RenderableType:
    table = Table.grid(padding=(0, 3, 0, 0))
    half = len(figures) // 2
    for pair in zip(figures[:half], figures[half:], strict=True):
        cells: list[Text] = []
        for each in pair:
            style = "dim" if each.is_better is None else "green" if each.is_better else "red"
            cells += [Text(each.title, "dim"), Text(each.text, "bold"), Text(each.change or "", style)]
        table.add_row(*cells)
    return table


def _render_time(tables: dict[str, ReportTable]) -> Iterator[RenderableType]:
    rows = tables["volume"].to_dicts()
    calls = [float(row["calls"] or 0) for row in rows]
    yield _build_title("Calls over time")
    if len(rows) > _MAX_DAYS:
        yield _Drawing(draw_sparkline(calls))
        yield Text(f"{rows[0]['date']} to {rows[-1]['date']}, at most {max(calls):,.0f} calls", "dim")
    else:
        table = _build_table("From", "", "Calls", "Success", left=2)
        for row in rows:
            number = float(row["calls"] or 0)
            bar = _Drawing(draw_bar(number / max(calls)))
            success = format_value(row["success_rate"], "percent")
            table.add_row(str(row["date"]), bar, f"{number:,.0f}", success)
        yield table
    hours = [0.0] * _HOURS_A_DAY
    for row in tables["hours"].to_dicts():
        hours[int(str(row["hour"]))] += float(row["calls"] or 0)
    yield _build_title("Hour of the day (UTC)")
    yield _Drawing(draw_sparkline(hours))
    yield Text("0     6     12    18", "dim")


def _render_table(source: ReportTable) -> Iterator[RenderableType]:
    definition = TABLES[source.name]
    if not source.rows:
        return
    labels = sum(isinstance(column, Label) for column in definition.columns)
    table = _build_table(
        *source.headings[:labels], "", *source.headings[labels:], left=labels + 1, shortened=range(labels)
    )
    width = _BAR_WIDTH // 2 if len(source.headings) >= _WIDE_TABLE else _BAR_WIDTH
    numbers = [float(row[labels] or 0) for row in source.rows]
    for texts, number in zip(source.texts[:_MAX_ROWS], numbers, strict=False):
        bar = _Drawing(draw_bar(number / (max(numbers) or 1), width))
        table.add_row(*map(_shorten, texts[:labels]), bar, *texts[labels:])
    yield _build_title(source.title)
    yield table
    if len(source.rows) > _MAX_ROWS:
        yield Text(f"and {len(source.rows) - _MAX_ROWS:,} more", "dim")


def _render_calls(name: str, calls: list[CallEntry]) -> Iterator[RenderableType]:
    if not calls:
        return
    has_comments = name == "commented"
    table = _build_table("Call", "Result", "Comment" if has_comments else "Title", left=3, shortened={2})
    for heading in ("Duration", "Cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    for call in calls[: _MAX_COMMENTS if has_comments else None]:
        cost = format_value(call.cost, "credits") if call.price is None else format_value(call.price, "dollars")
        numbers = format_value(call.seconds, "seconds"), cost
        table.add_row(
            Text(to_short_line(call.conversation_id), "cyan"),
            Text(to_short_line(call.outcome), _STYLES.get(call.outcome, "")),
            _shorten((call.comment if has_comments else call.title) or MISSING),
            *numbers,
        )
    yield _build_title(LIST_TITLES[name])
    yield table


def _build_title(text: str) -> Text:
    return Text(f"\n{text}", "bold")


def _build_table(*headings: str, left: int, shortened: Container[int] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < left else "right", no_wrap=number not in shortened)
    return table


def _shorten(text: str, style: str = "") -> Text:
    """Return text that a narrow terminal shortens, so that columns of numbers keep their width."""
    return Text(to_short_line(text), style, no_wrap=True, overflow="ellipsis")
