"""An event loop whose time passes only in timers: minutes take milliseconds, and every run is the same."""

from __future__ import annotations

import asyncio
import heapq
from functools import wraps
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from convai_async._support.clock import RunningClock

if TYPE_CHECKING:
    import selectors
    from collections.abc import Callable, Coroutine


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer when nothing has arrived, instead of waiting for it."""

    now = 0.0
    _selector: selectors.BaseSelector
    _timer_cancelled_count: int

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        if scheduled and not self._ready and not self._selector.select(0):  # type: ignore[attr-defined]
            self.now = max(self.now, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in a `VirtualTimeLoop`, whose time its clients use too."""

    @wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        with (
            patch.object(RunningClock.__init__, "__defaults__", (now,)),
            asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
        ):
            runner.run(test(*arguments, **keywords))

    return run


def now() -> float:
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()
