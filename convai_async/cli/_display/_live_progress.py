"""Show the progress of a harvest on a terminal: a bar, and a line of numbers below it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from convai_async.cli._display._live_display import LiveDisplay
from convai_async.cli._formatting import format_duration
from convai_async.harvest import HarvestReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from convai_async.cli._times import TimeFormatter

_REFRESHES_PER_SECOND = 8
_SPEED_PERIOD_SECS = 10
"""The period for measuring the speed: a resumed harvest skips known conversations very fast at first."""
_MIN_KNOWN_SHARE = 0.1
_SEPARATOR = ", "


class LiveProgress(LiveDisplay):
    """A progress bar and a line of numbers on standard error.

    The total is the number of found conversations plus, while the list is being read, an estimate of the rest. No total
    is shown until one tenth of it has been found and the first conversation is done.

    Args:
        times: Formats points in time.
        monotonic: Returns the time in seconds.
    """

    def __init__(self, times: TimeFormatter, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._times = times
        self._monotonic = monotonic
        self._report = HarvestReport()
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_REFRESHES_PER_SECOND * _SPEED_PERIOD_SECS)
        self._spinner = Spinner("dots")
        super().__init__(_REFRESHES_PER_SECOND)

    def update(self, report: HarvestReport) -> None:
        """Store the report; the display refreshes several times per second."""
        self._report = report

    def render(self) -> RenderableType:
        """Return the current display."""
        report = self._report
        total, done = self._estimate_total(), report.handled
        self._samples.append((self._monotonic(), done, report.fetched))
        bar = Table.grid(expand=True, padding=(0, 1, 0, 0))
        bar.add_column(width=1)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True, justify="right")
        bar.add_row(
            self._spinner,
            ProgressBar(
                total=total,
                completed=done if total is None else min(done, total),
                pulse=total is None,
                complete_style="cyan",
                finished_style="green",
                pulse_style="cyan",
            ),
            _format_amount(report, total),
        )
        return Group(bar, _join_fitting(self._list_details(total), self._console.width))

    def _estimate_total(self) -> int | None:
        report = self._report
        estimate = report.found + report.left_to_list
        return estimate if report.handled and report.found >= _MIN_KNOWN_SHARE * estimate else None

    def _list_details(self, total: int | None) -> list[Text]:
        """Return the numbers to show, the most important first."""
        report = self._report
        done_per_sec, fetched_per_sec = self._compute_speeds()
        details = [Text(f"{fetched_per_sec:.0f}/s")]
        if report.waiting_for is not None:
            details.append(Text(f"waiting until {self._times.format(report.waiting_until_unix_secs)[11:]}", "yellow"))
        if report.failed:
            details.append(Text(f"{report.failed:,} failed", "red"))
        # Recordings come last and have no total.
        if total is not None and total > report.handled and done_per_sec:
            details.append(Text(f"about {format_duration((total - report.handled) / done_per_sec)} left"))
        if report.recordings:
            details.append(Text(f"{report.recordings:,} recordings"))
        if report.unchanged:
            details.append(Text(f"{report.unchanged:,} unchanged"))
        details.append(Text(f"{report.concurrency} concurrent"))
        if report.reached_unix_secs is not None:
            details.append(Text(f"back to {self._times.format(report.reached_unix_secs)[:10]}"))
        return details

    def _compute_speeds(self) -> tuple[float, float]:
        """Return how many conversations were handled, and how many were fetched, per second."""
        (began, *before), (now, *after) = self._samples[0], self._samples[-1]
        seconds = now - began
        if not seconds:
            return 0.0, 0.0
        done, fetched = ((late - early) / seconds for early, late in zip(before, after, strict=True))
        return done, fetched


def _format_amount(report: HarvestReport, total: int | None) -> Text:
    if total is None:
        return Text(f"{report.handled:,} so far")
    whole = f"about {total:,}" if report.left_to_list else f"{total:,} found"
    return Text(f"{min(report.handled, total) / total:4.0%}  {report.handled:,} of {whole}")


def _join_fitting(details: list[Text], width: int) -> Text:
    """Join as many numbers as fit into the line; the others are left out."""
    line = Text(no_wrap=True)
    for detail in details:
        more = detail if not line else Text(_SEPARATOR) + detail
        if len(line) + len(more) < width:
            line += more
    return line
