"""Wait until a conversation has a status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async import endpoints
from convai_async._support.text import to_short_line
from convai_async._support.validate import validate_choice, validate_optional, validate_seconds
from convai_async.errors import ConversationNotReadyError, NotFoundError
from convai_async.models.enums import FINAL_STATUSES, STATUSES

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine
    from convai_async.models import Conversation
    from convai_async.models.enums import ConversationStatus

_FIRST_PAUSE_SECS = 1.0
_PAUSE_GROWTH = 1.5
_MAX_PAUSE_SECS = 15.0
_MAY_BE_MISSING_SECS = 30.0
"""A conversation that has just started can be missing for a moment."""
_LAST_REQUEST_SECS = 1.0
"""The last request gets this time at least."""


async def wait(
    engine: Engine, conversation_id: str, *, until: ConversationStatus, timeout: float | None
) -> Conversation:
    """Request a conversation, with growing pauses, until it has a status.

    Args:
        engine: Sends the requests.
        conversation_id: The id of the conversation.
        until: The status to wait for.
        timeout: Seconds to wait; None means no limit.

    Raises:
        InvalidArgumentError: There is no such status, or ``timeout`` is not a number of seconds.
        ConversationNotReadyError: The conversation ended with another status, or ``timeout`` has passed.
        NotFoundError: The conversation is still missing 30 seconds after the first request.
    """
    validate_choice("until", until, STATUSES)
    validate_optional(validate_seconds, "timeout", timeout)
    engine.bind()
    with engine.running:  # notices during the pauses too that the process was stopped
        return await _poll(engine, conversation_id, until, timeout)


async def _poll(engine: Engine, conversation_id: str, until: ConversationStatus, timeout: float | None) -> Conversation:
    request = endpoints.get_conversation(conversation_id)
    started = engine.clock()
    pause = _FIRST_PAUSE_SECS
    status: str | None = None
    while True:
        waited = engine.clock() - started
        try:
            left = None if timeout is None else max(timeout - waited, _LAST_REQUEST_SECS)
            async with engine.running.timeout(left):
                conversation = await engine.send(request)
        except NotFoundError:
            if engine.clock() - started > _MAY_BE_MISSING_SECS:
                raise
        except TimeoutError:
            raise _build_not_ready_error(conversation_id, until, status, engine.clock() - started) from None
        else:
            status = conversation.status and to_short_line(conversation.status)
            if status == until:
                return conversation
            if status in FINAL_STATUSES:
                raise ConversationNotReadyError(
                    f"{conversation_id} has the final status {status!r} and will not become {until!r}",
                    conversation_id=conversation_id,
                    status=status,
                )
        waited = engine.clock() - started
        if timeout is not None and waited >= timeout:
            raise _build_not_ready_error(conversation_id, until, status, waited)
        await engine.sleep(pause if timeout is None else min(pause, timeout - waited))
        pause = min(pause * _PAUSE_GROWTH, _MAX_PAUSE_SECS)


def _build_not_ready_error(
    conversation_id: str, until: str, status: str | None, waited: float
) -> ConversationNotReadyError:
    return ConversationNotReadyError(
        f"{conversation_id} {'does not exist yet' if status is None else f'has the status {status!r}'} after"
        f" {waited:.0f} s, not {until!r}: wait again, or longer",
        conversation_id=conversation_id,
        status=status,
        retryable=True,
    )
