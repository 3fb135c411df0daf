"""Measure the time that the process could use."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_INTERVAL = 0.5
_SHORTEST_STALL = 1.0


class RunningClock:
    """Return seconds, without those in which the process was stopped or its event loop blocked.

    After SIGSTOP, or when a virtual machine was suspended, every timer of a loop fires at once: no server was slow.
    A timer that fires much too late says so; it runs while the clock is used (``with clock:``). Gaps of less than a
    second count as running.

    Args:
        clock: Returns seconds.

    Attributes:
        lost: Seconds of all gaps so far.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lost = 0.0
        self._clock = clock
        self._users = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

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

    def reset(self) -> None:
        """Forget the timer of an event loop that is closed."""
        self._timer = None

    def _wait(self) -> None:
        self._due = self._clock() + _INTERVAL
        self._timer = asyncio.get_running_loop().call_later(_INTERVAL, self._check)

    def _check(self) -> None:
        late = self._clock() - self._due
        if late > _SHORTEST_STALL:
            self.lost += late
        self._timer = None
        if self._users > 0:
            self._wait()
