"""A report on an archive."""

from __future__ import annotations

import html
import time
from contextlib import ExitStack
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from convai_async._support.atomic_files import AtomicFile
from convai_async._support.timestamps import compute_latest_start
from convai_async._support.validate import to_unix_seconds, validate_choice, validate_integer, validate_text
from convai_async.archive import Archive, ArchiveError
from convai_async.archive._formats._files import check_destination
from convai_async.errors import ConfigurationError, InvalidArgumentError
from convai_async.report._buckets import DAY_SECS
from convai_async.report._definitions import TABLES
from convai_async.report._formatting import format_utc_time
from convai_async.report._queries import ReportData, ReportFilters, find_starts, read_report_data
from convai_async.report._tables import build_figures, build_table

if TYPE_CHECKING:
    import os

    from rich.console import RenderableType

    from convai_async.archive import PostgresUrl
    from convai_async.report._calls import CallLists
    from convai_async.report._charts import Charts


class Report:
    """A report on the conversations of an archive, returned by `build_report`.

    Attributes:
        source: The address of the service that the conversations are from.
        period: The first and the last time at which a conversation started, and the time zone, as text.
        figures: The key figures by their names.
        tables: The tables by their names.
        calls: The longest, most expensive and worst calls, and those with comments.
    """

    def __init__(self, archive: Path | PostgresUrl, data: ReportData, period: str, before: ReportData | None) -> None:
        self._archive = archive
        self._data = data
        self.source = data.source
        self.period = period
        self.figures = build_figures(data, before)
        self.tables = {name: build_table(data, name) for name in TABLES}
        self.calls: CallLists = data.lists

    def __repr__(self) -> str:
        return f"<Report {self.figures['calls'].text} calls, {self.period}>"

    def __rich__(self) -> RenderableType:
        """Return the report for a terminal: ``rich.print(report)``."""
        from convai_async.report._terminal import render_terminal  # noqa: PLC0415 - rich is an extra

        return render_terminal(f"{self.period}, from {self.source}", self.figures, self.tables, self.calls)

    def _repr_html_(self) -> str:
        """Return the key figures as a table, for notebooks."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(each.title)}</th><td>{html.escape(each.text)}</td>"
            f"<td>{html.escape(each.change or '')}</td></tr>"
            for each in self.figures.values()
        )
        return f"<table><caption>Calls, {html.escape(self.period)}</caption>{rows}</table>"

    @property
    def charts(self) -> Charts:
        """The charts, as Altair charts for notebooks.

        Raises:
            ConfigurationError: The extra ``report`` is not installed.
        """
        try:
            from convai_async.report._charts import Charts  # noqa: PLC0415 - needs an extra
        except ModuleNotFoundError as error:
            raise _build_extra_error() from error
        return Charts(self.tables, self._data.buckets.unit)

    def to_html(self) -> str:
        """Return the report as a page that needs no network.

        Raises:
            ConfigurationError: The extra ``report`` is not installed.
        """
        try:
            from convai_async.report._html import render_page  # noqa: PLC0415 - needs an extra
        except ModuleNotFoundError as error:
            raise _build_extra_error() from error
        return render_page(self._data, self.period, self.figures, self.tables, self.charts)

    def write_html(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the page to a file, which appears only when it is complete, and which only its owner can read.

        Args:
            path: The file.
            overwrite: Whether to replace an existing file; False by default.

        Raises:
            InvalidArgumentError: The file exists already or belongs to the archive, or its folder does not exist.
            ConfigurationError: The extra ``report`` is not installed.
            OSError: The file cannot be written.
        """
        file = Path(path)
        check_destination("path", file, overwrite=overwrite, archive=self._archive)
        page, output = self.to_html().encode(), AtomicFile(file)
        try:
            output.write(page)
            output.commit(overwrite=overwrite)
        finally:
            output.discard()


def build_report(  # noqa: PLR0913 - keyword-only
    archive: Archive | str | os.PathLike[str],
    *,
    agent_id: str | None = None,
    since: date | int | None = None,
    until: date | int | None = None,
    days: int | None = None,
    compare: Literal["previous"] | None = None,
) -> Report:
    """Read an archive into a report. Days and hours are in UTC.

    Conversations without a valid start time are left out. Memory use does not depend on the number of conversations;
    percentiles are estimates, within a few percent of the exact ones.

    Args:
        archive: The archive, its file, or the URL of its database.
        agent_id: Only conversations with this agent.
        since: Only conversations that started at this time or later: a datetime with a time zone, a date (midnight in
            UTC), or Unix seconds.
        until: Only conversations that started before this time.
        days: Instead of ``since``: only conversations of this many days before the newest one.
        compare: ``"previous"`` compares the key figures with those of the previous period of the same length; it needs
            ``since`` or ``days``. None (default) does not compare.

    Raises:
        ArchiveError: The file is not an archive of this version, is damaged, or has no such conversations.
        InvalidArgumentError: An argument is not valid.
    """
    filters = _build_filters(agent_id, since, until)
    validate_choice("compare", compare, (None, "previous"))
    if days is not None:
        validate_integer("days", days, 1)
        if since is not None:
            raise InvalidArgumentError("days", "cannot be combined with `since`")
    if compare is not None and days is None and since is None:
        raise InvalidArgumentError("compare", "needs `since` or `days`, which give the length of the period")
    with ExitStack() as stack:
        opened = archive if isinstance(archive, Archive) else stack.enter_context(Archive.open(archive))
        if days is not None:
            filters = _take_last_days(opened, filters, days)
        data = read_report_data(opened, filters)
        if data is None:
            raise _build_empty_error(opened)
        before = None
        if compare is not None and filters.start is not None:
            length = min(filters.end, int(time.time())) - filters.start
            before = read_report_data(
                opened, msgspec.structs.replace(filters, start=filters.start - length, end=filters.start)
            )
    return Report(opened.path, data, _describe_period(data, filters), before)


def _build_filters(agent_id: str | None, since: date | int | None, until: date | int | None) -> ReportFilters:
    if agent_id is not None:
        validate_text("agent_id", agent_id)
    latest = compute_latest_start(time.time())
    start, end = _parse_bound("since", since), _parse_bound("until", until)
    if start is not None and end is not None and start >= end:
        raise InvalidArgumentError("since", "must be earlier than `until`")
    return ReportFilters(agent_id, start, latest if end is None else min(end, latest))


def _parse_bound(name: str, value: date | int | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time_of_day(), UTC)
    return to_unix_seconds(name, value, up=True)


def _take_last_days(archive: Archive, filters: ReportFilters, days: int) -> ReportFilters:
    starts = find_starts(archive, filters)
    if starts is None:
        return filters
    end = starts[1] + 1
    return ReportFilters(filters.agent_id, end - days * DAY_SECS, end)


def _describe_period(data: ReportData, filters: ReportFilters) -> str:
    start = data.first if filters.start is None else filters.start
    return f"{format_utc_time(max(start, 0))} to {format_utc_time(min(filters.end, data.last + 1))} UTC"


def _build_empty_error(archive: Archive) -> ArchiveError:
    path = repr(str(archive.path))
    starts = find_starts(archive, _build_filters(None, None, None))
    if starts is None:
        return ArchiveError(f"{path} has no conversations with a start time: harvest some first")
    first, last = map(format_utc_time, starts)
    return ArchiveError(
        f"{path} has no conversations that match: choose another agent or period; its conversations are from"
        f" {first} to {last} UTC"
    )


def _build_extra_error() -> ConfigurationError:
    return ConfigurationError("charts and pages need an extra: pip install 'convai-async[report]'")
