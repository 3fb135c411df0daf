"""How a harvest shows that it is alive: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from convai_async.cli._terminal import one_line, utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from convai_async.harvest import HarvestReport

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_PER_MINUTE = 60
_SECONDS_PER_HOUR = 3600


class Display(Protocol):
    """Shows counts while they grow."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def update(self, report: HarvestReport) -> None:
        """Show these counts, or leave it for the next time."""


def display(*, as_json: bool) -> Display:
    """Return what suits where the output goes."""
    if as_json:
        return _Lines(lambda report: click.echo(_json("progress", report)))
    if sys.stderr.isatty():
        return _Bar()
    return _Lines(lambda report: click.echo(f"{counts(report)}; {outlook(report)}", err=True))


def final_json(report: HarvestReport) -> bytes:
    """Return the final report for machines."""
    return _json("report", report)


def _json(event: str, report: HarvestReport) -> bytes:
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
    reached = "" if report.reached_unix_secs is None else f", back to {utc(report.reached_unix_secs)} UTC"
    return (
        f"{report.found:,} found, {report.fetched:,} fetched ({_rate(report)}), "
        f"{report.unchanged:,} unchanged, {report.failed:,} failed{reached}"
    )


def _short(report: HarvestReport) -> str:
    """Return what matters most in what a narrow terminal shows of a line."""
    if report.waiting_for is not None:
        return f"waiting until {utc(report.waiting_until_unix_secs)[11:]} UTC"
    parts = [f"{report.handled:,} of {report.found:,}", _rate(report), outlook(report)]
    if report.failed:
        parts.insert(1, f"{report.failed:,} failed")
    if report.reached_unix_secs is not None:
        parts.append(f"back to {utc(report.reached_unix_secs)[:10]}")
    return ", ".join(parts)


def outlook(report: HarvestReport) -> str:
    """Return how fast it goes, and for how long it will go on; or what it waits for, and until when."""
    if report.waiting_for is not None:
        return f"waiting until {utc(report.waiting_until_unix_secs)} UTC at the latest: {one_line(report.waiting_for)}"
    left = report.seconds_left
    return f"{report.concurrency} at once" + ("" if left is None else f", about {_duration(left)} left")


def _rate(report: HarvestReport) -> str:
    return f"{report.fetched / report.seconds if report.seconds else 0.0:.0f}/s"


def _duration(seconds: float) -> str:
    if seconds < 2 * _SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _SECONDS_PER_HOUR:
        return f"{seconds / _SECONDS_PER_MINUTE:.0f} min"
    return f"{seconds / _SECONDS_PER_HOUR:.1f} h"


class _Lines:
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
        if self._clock() >= self._next or report.waiting_for != self._waiting_for:
            self._waiting_for = report.waiting_for
            self._next = self._clock() + _SECONDS_BETWEEN_LINES
            self._show(report)


class _Bar:
    """A live line on the terminal."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=12),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("listing", total=None)
        self._waiting_for: str | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, report: HarvestReport) -> None:
        """Show the counts; rich redraws a few times a second. What the run waits for stays on the screen."""
        if report.waiting_for != self._waiting_for:
            self._waiting_for = report.waiting_for
            words = "going on" if report.waiting_for is None else outlook(report)
            self._bar.console.print(words, markup=False, highlight=False)
        total = report.found + report.to_list if report.handled else None
        self._bar.update(self._task, description=_short(report), total=total, completed=report.handled)
