"""A harvest's progress on a terminal: a bar, and a line of facts below it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from convai_async.cli._output import stderr_console
from convai_async.cli._terminal import duration
from convai_async.harvest import HarvestReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from rich.console import RenderableType

    from convai_async.cli._moments import Clock

_DRAWN_PER_SECOND = 8
_SPEED_SECS = 10
"""The stretch of time over which the speed is measured: a resumed harvest passes over what it has at once."""
_KNOWN_SHARE = 0.1
_BETWEEN = ", "


class LiveProgress:
    """Two live lines on standard error.

    The total is what was found and, while the list is still being read, an estimate of what is to come. Until a
    tenth of that is known, and something is done, there is no total.

    Args:
        clock: How to show points in time.
        monotonic: Tells seconds.
    """

    def __init__(self, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._report = HarvestReport()
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_DRAWN_PER_SECOND * _SPEED_SECS)
        self._spinner = Spinner("dots")
        self._console = stderr_console()
        self._live = Live(
            console=self._console,
            get_renderable=self.render,
            refresh_per_second=_DRAWN_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self, report: HarvestReport) -> None:
        """Note the counts; they are drawn a few times a second."""
        self._report = report

    def render(self) -> RenderableType:
        """Return the two lines as they are now."""
        report = self._report
        total, done = self._total(), report.handled
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
            _amount(report, total),
        )
        return Group(bar, _fitted(self._facts(total), self._console.width))

    def _total(self) -> int | None:
        report = self._report
        estimate = report.found + report.to_list
        return estimate if report.handled and report.found >= _KNOWN_SHARE * estimate else None

    def _facts(self, total: int | None) -> list[Text]:
        """Return what is known, the most important first."""
        report = self._report
        done_per_sec, fetched_per_sec = self._speeds()
        facts = [Text(f"{fetched_per_sec:.0f}/s")]
        if report.waiting_for is not None:
            facts.append(Text(f"waiting until {self._clock.show(report.waiting_until_unix_secs)[11:]}", "yellow"))
        if report.failed:
            facts.append(Text(f"{report.failed:,} failed", "red"))
        if total is not None and total > report.handled and done_per_sec:  # recordings, which come last, have no total
            facts.append(Text(f"about {duration((total - report.handled) / done_per_sec)} left"))
        if report.recordings:
            facts.append(Text(f"{report.recordings:,} recordings"))
        if report.unchanged:
            facts.append(Text(f"{report.unchanged:,} unchanged"))
        facts.append(Text(f"{report.concurrency} at once"))
        if report.reached_unix_secs is not None:
            facts.append(Text(f"back to {self._clock.show(report.reached_unix_secs)[:10]}"))
        return facts

    def _speeds(self) -> tuple[float, float]:
        """Return how many were handled, and how many fetched, in a second of late."""
        (began, *before), (now, *after) = self._samples[0], self._samples[-1]
        seconds = now - began
        if not seconds:
            return 0.0, 0.0
        done, fetched = ((late - early) / seconds for early, late in zip(before, after, strict=True))
        return done, fetched


def _amount(report: HarvestReport, total: int | None) -> Text:
    if total is None:
        return Text(f"{report.handled:,} so far")
    whole = f"about {total:,}" if report.to_list else f"{total:,} found"
    return Text(f"{min(report.handled, total) / total:4.0%}  {report.handled:,} of {whole}")


def _fitted(facts: list[Text], width: int) -> Text:
    """Join as many facts as fit into a line: one that does not is left out, and not cut."""
    line = Text(no_wrap=True)
    for fact in facts:
        more = fact if not line else Text(_BETWEEN) + fact
        if len(line) + len(more) < width:
            line += more
    return line
