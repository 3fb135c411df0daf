"""Show the progress of a harvest: a progress bar on a terminal, otherwise a line every ten seconds."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from convai_async.cli._formatting import format_duration
from convai_async.cli._output import OutputError, print_note, print_output

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from convai_async.cli._times import TimeFormatter
    from convai_async.harvest import HarvestReport

_SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    """Shows the progress of a harvest."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def update(self, report: HarvestReport) -> None:
        """Show the current report, if it is time for an update."""


def create_display(times: TimeFormatter, *, as_json: bool) -> Display:
    """Return the display for the output: JSON lines, a progress bar or lines of text."""
    if as_json:
        return LineProgress(lambda report: print_output(encode_report("progress", report)))
    if sys.stderr is not None and sys.stderr.isatty():
        from convai_async.cli._display._live_progress import LiveProgress  # noqa: PLC0415 - needs rich, and a terminal

        return LiveProgress(times)
    return LineProgress(lambda report: print_note(f"{format_counts(report)}; {format_outlook(report, times)}"))


def encode_report(event: str, report: HarvestReport) -> bytes:
    """Return a report as a JSON line."""
    return msgspec.json.encode({"event": event, **report_to_builtins(report)})


def report_to_builtins(report: HarvestReport) -> dict[str, Any]:
    """Return a report as the fields of a JSON line."""
    return {**msgspec.to_builtins(report), "complete": report.complete, "seconds_left": report.seconds_left}


def format_counts(report: HarvestReport) -> str:
    """Return the counts of a report as one line."""
    rate = report.fetched / report.seconds if report.seconds else 0.0
    return (
        f"{report.found:,} found, {report.fetched:,} fetched ({rate:.0f}/s), "
        f"{report.unchanged:,} unchanged, {report.failed:,} failed"
    )


def format_outlook(report: HarvestReport, times: TimeFormatter) -> str:
    """Return the estimated time left and the concurrency, or how long the harvest waits for the service."""
    if report.waiting_for is not None:  # the log says why
        return f"waiting for the service until {times.format(report.waiting_until_unix_secs)} at the latest"
    left = "" if report.seconds_left is None else f"about {format_duration(report.seconds_left)} left, "
    return f"{left}{report.concurrency} concurrent requests"


class LineClock:
    """Tells when a line is due: every ten seconds.

    Args:
        clock: Returns the time in seconds.
        at_once: Whether the first line is due at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, at_once: bool) -> None:
        self._clock = clock
        self._next = clock() + (0.0 if at_once else _SECONDS_BETWEEN_LINES)

    def is_due(self, *, now: bool = False) -> bool:
        """Return whether a line is due, or if ``now``, make it due; the next one follows ten seconds later."""
        if self._clock() < self._next and not now:
            return False
        self._next = self._clock() + _SECONDS_BETWEEN_LINES
        return True


class LineProgress:
    """Shows the first report, and then one every ten seconds."""

    def __init__(self, show: Callable[[HarvestReport], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._clock = LineClock(clock, at_once=True)
        self._waiting_for: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: the command prints the final report."""

    def update(self, report: HarvestReport) -> None:
        """Show the report if the last line is old enough, or if the harvest starts or stops waiting."""
        if not self._clock.is_due(now=report.waiting_for != self._waiting_for):
            return
        self._waiting_for = report.waiting_for
        try:
            self._show(report)
        except OutputError:  # the harvest continues; printing its final report raises the same error
            self._show = _ignore


def _ignore(_: HarvestReport) -> None:
    """Ignore a report, as the output cannot be written."""
