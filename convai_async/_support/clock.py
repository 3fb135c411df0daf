"""A clock that does not count time in which the process was stopped, and a stopwatch."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_CHECK_INTERVAL_SECS = 0.5
_MIN_STALL_SECS = 1.0


class RunningClock:
    """Returns seconds, without those in which the process was stopped or its event loop blocked.

    After a SIGSTOP, or when a virtual machine was suspended, all timers of an event loop fire at once although no
    server was slow. The clock notices because its timer fires much too late. The timer runs inside
    ``with clock:`` blocks. Stalls of less than a second are not noticed.

    Args:
        clock: Returns seconds.

    Attributes:
        lost: Seconds of all stalls so far.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lost = 0.0
        self._clock = clock
        self._users = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timeouts: WeakSet[asyncio.Timeout] = WeakSet()

    def __call__(self) -> float:
        return self._clock() - self.lost

    def __enter__(self) -> None:
        self._users += 1
        if self._timer is None:
            self._wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._users -= 1

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        """Return an `asyncio.timeout` whose end moves by each stall; None means no limit."""
        timeout = asyncio.timeout(seconds)
        self._timeouts.add(timeout)
        return timeout

    def reset(self) -> None:
        """Forget the timer and the timeouts, whose event loop is closed."""
        self._timer = None
        self._timeouts.clear()

    def _wait(self) -> None:
        self._due = self._clock() + _CHECK_INTERVAL_SECS
        self._timer = asyncio.get_running_loop().call_later(_CHECK_INTERVAL_SECS, self._check)

    def _check(self) -> None:
        late = self._clock() - self._due
        if late > _MIN_STALL_SECS:
            self.lost += late
            # Timeouts that were due after this timer have not ended yet.
            for timeout in self._timeouts:
                if (ends := timeout.when()) is not None:
                    with suppress(RuntimeError):  # its block has ended
                        timeout.reschedule(ends + late)
        self._timer = None
        if self._users > 0:
            self._wait()


class Stopwatch:
    """Measures the seconds since it was made.

    Args:
        clock: Returns seconds.
    """

    __slots__ = ("_clock", "_started")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started = clock()

    def elapsed(self) -> float:
        """Return the seconds since the start, without the excluded ones."""
        return self._clock() - self._started

    def exclude(self, seconds: float) -> None:
        """Subtract seconds from the elapsed time."""
        self._started += seconds
