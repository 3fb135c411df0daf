"""How a harvest shows that it is alive: two live lines on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from convai_async.cli._output import OutputError, note, write
from convai_async.cli._terminal import duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from convai_async.cli._moments import Clock
    from convai_async.harvest import HarvestReport

_SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    """Shows counts while they grow."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def update(self, report: HarvestReport) -> None:
        """Show these counts, or leave it for the next time."""


def display(clock: Clock, *, as_json: bool) -> Display:
    """Return what suits where the output goes."""
    if as_json:
        return Lines(lambda report: write(report_json("progress", report)))
    if sys.stderr is not None and sys.stderr.isatty():
        from convai_async.cli._live_progress import LiveProgress  # noqa: PLC0415 - needs rich, and a terminal

        return LiveProgress(clock)
    return Lines(lambda report: note(f"{counts(report)}; {outlook(report, clock)}"))


def report_json(event: str, report: HarvestReport) -> bytes:
    """Return a report for programs."""
    return msgspec.json.encode(
        {
            "event": event,
            **msgspec.to_builtins(report),
            "complete": report.complete,
            "seconds_left": report.seconds_left,
        }
    )


def counts(report: HarvestReport) -> str:
    """Return the counts in one line."""
    rate = report.fetched / report.seconds if report.seconds else 0.0
    return (
        f"{report.found:,} found, {report.fetched:,} fetched ({rate:.0f}/s), "
        f"{report.unchanged:,} unchanged, {report.failed:,} failed"
    )


def outlook(report: HarvestReport, clock: Clock) -> str:
    """Return for how long it will go on, and with how many requests at once; or until when it waits for the service."""
    if report.waiting_for is not None:  # why is in the log, which is shown too
        return f"waiting until {clock.show(report.waiting_until_unix_secs)} at the latest"
    left = "" if report.seconds_left is None else f"about {duration(report.seconds_left)} left, "
    return f"{left}{report.concurrency} at once"


class Lines:
    """A line at once, and then one every few seconds."""

    def __init__(self, show: Callable[[HarvestReport], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._clock = clock
        self._next = clock()
        self._waiting_for: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the last word to the report."""

    def update(self, report: HarvestReport) -> None:
        """Show the counts if the last line is old enough, or if the run begins or ends to wait."""
        if self._clock() < self._next and report.waiting_for == self._waiting_for:
            return
        self._waiting_for = report.waiting_for
        self._next = self._clock() + _SECONDS_BETWEEN_LINES
        try:
            self._show(report)
        except OutputError:  # the harvest goes on; its report at the end meets the same error
            self._show = _show_nothing


def _show_nothing(_: HarvestReport) -> None:
    """Nobody can be shown anything."""
