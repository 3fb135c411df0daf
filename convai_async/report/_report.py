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
from convai_async._support.timestamps import latest_start
from convai_async._support.validate import to_unix_seconds, validate_choice, validate_integer, validate_text
from convai_async.archive import Archive, ArchiveError
from convai_async.errors import ConfigurationError, InvalidArgumentError
from convai_async.report._buckets import DAY_SECS
from convai_async.report._formatting import format_time
from convai_async.report._queries import Facts, Scope, find_last_start, read_facts
from convai_async.report._tables import build_figures, build_table
from convai_async.report._views import VIEWS

if TYPE_CHECKING:
    import os

    from rich.console import RenderableType

    from convai_async.report._calls import CallLists
    from convai_async.report._charts import Charts


class Report:
    """A report on the conversations of an archive, which `build_report` makes.

    Attributes:
        source: The address of the service that the conversations are from.
        period: The first and the last time at which a conversation started, and the time zone, as text.
        figures: The key figures by their names.
        tables: The tables by their names.
        calls: The longest, dearest and worst calls, and those with comments.
    """

    def __init__(self, archive: Path, facts: Facts, period: str, before: Facts | None) -> None:
        self._archive = archive
        self._facts = facts
        self.source = facts.source
        self.period = period
        self.figures = build_figures(facts, before)
        self.tables = {name: build_table(facts, name) for name in VIEWS}
        self.calls: CallLists = facts.lists

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
        return Charts(self.tables, self._facts.buckets.unit)

    def to_html(self) -> str:
        """Return the report as a page that needs no network.

        Raises:
            ConfigurationError: The extra ``report`` is not installed.
        """
        try:
            from convai_async.report._html import render_page  # noqa: PLC0415 - needs an extra
        except ModuleNotFoundError as error:
            raise _build_extra_error() from error
        return render_page(self._facts, self.period, self.figures, self.tables, self.charts)

    def write_html(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the page to a file, which appears only when it is complete, and which only its owner can read.

        Args:
            path: The file.
            overwrite: Whether to replace an existing file; False by default.

        Raises:
            InvalidArgumentError: The file exists already or is the archive itself, or its folder does not exist.
            ConfigurationError: The extra ``report`` is not installed.
            OSError: The file cannot be written.
        """
        file = Path(path)
        if file.is_dir() or (file.exists() and not overwrite):
            raise InvalidArgumentError("path", f"{str(file)!r} exists already: choose another")
        if file.exists() and self._archive.exists() and file.samefile(self._archive):
            raise InvalidArgumentError("path", f"{str(file)!r} is the archive itself: choose another")
        if not file.parent.is_dir():
            raise InvalidArgumentError("path", f"the folder {str(file.parent)!r} does not exist: create it first")
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
    percentiles are estimates, at most some percent from the exact ones.

    Args:
        archive: The archive, or its file.
        agent_id: Only conversations with this agent.
        since: Only conversations that started at this time or later: a datetime with a time zone, a date (midnight in
            UTC), or Unix seconds.
        until: Only conversations that started before this time.
        days: Instead of ``since``: only conversations of so many days before the newest one.
        compare: ``"previous"`` compares the key figures with those of the period before, which is as long; it needs
            ``since`` or ``days``.

    Raises:
        ArchiveError: The file is not an archive of this version, is damaged, or has no such conversations.
        InvalidArgumentError: An argument is not valid.
    """
    scope = _build_scope(agent_id, since, until)
    validate_choice("compare", compare, (None, "previous"))
    if days is not None:
        validate_integer("days", days, 1)
        if since is not None:
            raise InvalidArgumentError("days", "does not go with `since`")
    if compare is not None and days is None and since is None:
        raise InvalidArgumentError("compare", "needs `since` or `days`: else there is nothing before")
    with ExitStack() as stack:
        opened = archive if isinstance(archive, Archive) else stack.enter_context(Archive.open(archive))
        if days is not None:
            scope = _take_last_days(opened, scope, days)
        facts = read_facts(opened, scope)
        if facts is None:
            raise ArchiveError(f"{str(opened.path)!r} has no conversations that match: choose another agent or period")
        before = None
        if compare is not None and scope.start is not None:
            length = min(scope.end, int(time.time())) - scope.start
            before = read_facts(opened, msgspec.structs.replace(scope, start=scope.start - length, end=scope.start))
    return Report(opened.path, facts, _describe_period(facts, scope), before)


def _build_scope(agent_id: str | None, since: date | int | None, until: date | int | None) -> Scope:
    if agent_id is not None:
        validate_text("agent_id", agent_id)
    latest = latest_start(time.time())
    start, end = _parse_bound("since", since), _parse_bound("until", until)
    if start is not None and end is not None and start >= end:
        raise InvalidArgumentError("since", "must be earlier than `until`")
    return Scope(agent_id, start, latest if end is None else min(end, latest))


def _parse_bound(name: str, value: date | int | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time_of_day(), UTC)
    return to_unix_seconds(name, value, up=True)


def _take_last_days(archive: Archive, scope: Scope, days: int) -> Scope:
    last = find_last_start(archive, scope)
    return scope if last is None else Scope(scope.agent_id, last + 1 - days * DAY_SECS, last + 1)


def _describe_period(facts: Facts, scope: Scope) -> str:
    start = facts.first if scope.start is None else scope.start
    return f"{format_time(max(start, 0))} to {format_time(min(scope.end, facts.last + 1))} UTC"


def _build_extra_error() -> ConfigurationError:
    return ConfigurationError("charts and pages need an extra: pip install 'convai-async[report]'")
