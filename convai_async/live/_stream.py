"""An iteration over the events of a conversation."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.live._closed import Closed
    from convai_async.live._connection import Connection
    from convai_async.live.events import Event

S = TypeVar("S", bound="EventStream")


class EventStream:
    """The events of a conversation, as an async iterator that several tasks can share.

    The iteration ends when the conversation ends; `closed` says how.

    Attributes:
        conversation_id: The id of the conversation (``conv_…``).
    """

    conversation_id: str
    _connection: Connection

    def __repr__(self) -> str:
        state = "open" if self.closed is None else f"closed with code {self.closed.code}"
        return f"<{type(self).__name__} {self.conversation_id} {state}>"

    @property
    def closed(self) -> Closed | None:
        """How it ended; None while it is open."""
        return self._connection.closed

    @property
    def dropped_events(self) -> int:
        """The number of events that were dropped because the program did not read them in time."""
        return self._connection.inbox.dropped

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Wait for the next event, and return it."""
        event = await self._connection.inbox.get_event()
        if event is None:
            raise StopAsyncIteration
        return event

    async def close(self) -> None:
        """Send queued messages and close the connection, within 5 seconds. Leaving the block does the same."""
        await self._connection.close(flush=True)

    async def _put(self, text: str, **options: bool) -> None:
        if not await self._connection.outbox.put(text, **options):
            raise await self._connection.build_error(self.conversation_id)


@asynccontextmanager
async def closing(stream: S) -> AsyncIterator[S]:
    """Close a stream after the block; after an exception, quickly and without sending queued messages."""
    try:
        yield stream
    except BaseException:
        await stream._connection.close(flush=False)  # noqa: SLF001 - of the same module
        raise
    else:
        await stream.close()
