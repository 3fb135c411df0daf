"""A display that a terminal shows until its block ends; needs rich."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from rich.live import Live

from convai_async.cli._output import get_stderr_console

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import RenderableType


class LiveDisplay(ABC):
    """A display on standard error, which is removed at the end of its block.

    Args:
        refreshes_per_second: How often it is rendered.
    """

    def __init__(self, refreshes_per_second: int) -> None:
        self._console = get_stderr_console()
        self._live = Live(
            console=self._console,
            get_renderable=self.render,
            refresh_per_second=refreshes_per_second,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    @abstractmethod
    def render(self) -> RenderableType:
        """Return the current display."""
