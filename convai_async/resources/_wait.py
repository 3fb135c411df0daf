"""Wait for a conversation to be ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async import calls
from convai_async.errors import ConversationNotReadyError, NotFoundError
from convai_async.models.enums import FINAL_STATUSES

if TYPE_CHECKING:
    from convai_async._engine import Engine
    from convai_async.models import Conversation

_FIRST_PAUSE_SECS = 1.0
_PAUSE_GROWTH = 1.5
_LONGEST_PAUSE_SECS = 15.0
_MAY_BE_MISSING_SECS = 30.0


async def wait(engine: Engine, conversation_id: str, *, until: str, timeout: float | None) -> Conversation:
    """Ask for a conversation, with growing pauses, until it has a status.

    Raises:
        ConversationNotReadyError: It has ended with another status, or the time is over.
        NotFoundError: It is still not there half a minute after the first question.
    """
    call = calls.get_conversation(conversation_id)
    started = engine.clock()
    pause = _FIRST_PAUSE_SECS
    status: str | None = None
    while True:
        try:
            conversation = await engine.send(call)
        except NotFoundError:
            # Right after a call ends, it can be missing for a moment.
            if engine.clock() - started > _MAY_BE_MISSING_SECS:
                raise
        else:
            status = conversation.status
            if status == until:
                return conversation
            if status in FINAL_STATUSES:
                raise ConversationNotReadyError(
                    f"{conversation_id} has ended as {status!r} and will not become {until!r}",
                    conversation_id=conversation_id,
                    status=status,
                )
        waited = engine.clock() - started
        if timeout is not None and waited + pause > timeout:
            raise ConversationNotReadyError(
                f"{conversation_id} was {status or 'not there yet'!r} after {waited:.0f} s, and not {until!r}:"
                " wait again, or for longer",
                conversation_id=conversation_id,
                status=status,
                retryable=True,
            )
        await engine.sleep(pause)
        pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECS)
