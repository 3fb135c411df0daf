"""Fetch the conversation or recording of a job."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from convai_async import endpoints
from convai_async.archive._records import (
    ConversationUpdate,
    DeletionUpdate,
    Failure,
    RecordingUpdate,
    Update,
    decode_update,
    is_document_of,
)
from convai_async.errors import AuthenticationError, ConvAIError, DecodeError, NotFoundError, StorageError
from convai_async.harvest._outages import OUTAGE_ERRORS
from convai_async.streaming import receive

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine
    from convai_async._transport.memory import Reservation
    from convai_async.archive._recordings._storage import RecordingStorage
    from convai_async.endpoints import Response
    from convai_async.harvest._jobs import Job
    from convai_async.harvest._outages import OutageGuard
    from convai_async.models import Conversation


async def fetch(job: Job, memory: Reservation, guard: OutageGuard, storage: RecordingStorage | None) -> Update | None:
    """Fetch the conversation or recording of a job.

    Return None if the job only checks that the service still has a conversation, and it does.

    Args:
        job: What to fetch.
        memory: Counts the memory of a large document until the caller releases it.
        guard: Sends the requests.
        storage: Where recordings are saved; required for a recording.

    Raises:
        AuthenticationError: The service no longer accepts the key.
        OSError, StorageError: A recording cannot be saved.
        TransportError, ServerError: An outage lasted too long.
        StopRequested: The run was stopped while the service could not be reached.
    """
    conversation_id = job.conversation_id

    async def attempt(engine: Engine) -> Update | None:
        try:
            match job.kind:
                case "conversation":
                    return await _fetch_conversation(job, memory, engine)
                case "audio":
                    assert storage is not None  # noqa: S101 - there are such jobs only with a storage
                    return await _save_recording(conversation_id, storage, engine)
                case "presence":
                    await engine.send_raw(endpoints.get_conversation(conversation_id))
                    return None
        except (AuthenticationError, StorageError, *OUTAGE_ERRORS):
            raise
        except ConvAIError as error:
            return _update_for_error(job, error)

    return await guard.retry_through_outage(attempt, partial(_update_for_error, job))


def is_missing(error: ConvAIError) -> bool:
    """Return whether the service itself responded with 404.

    A misconfigured proxy can respond with 404 as well, which does not mean that the conversation was deleted.
    """
    return isinstance(error, NotFoundError) and error.is_from_service


async def _fetch_conversation(job: Job, memory: Reservation, engine: Engine) -> Update:
    updates: list[ConversationUpdate] = []

    def validate(response: Response[Conversation]) -> None:
        """Reject a document that is not this conversation. One in an unknown format is stored as raw JSON."""
        update = decode_update(job.summary, response.body)
        if isinstance(update, Failure):
            raise _build_decode_error(update.error)
        if update.is_undecodable and not is_document_of(job.conversation_id, response.body):
            raise _build_decode_error(f"the response is not a conversation: {update.row['decode_error']}")
        updates.append(update)

    await engine.send_raw(endpoints.get_conversation(job.conversation_id), validate=validate, memory=memory)
    return updates[-1]


async def _save_recording(conversation_id: str, storage: RecordingStorage, engine: Engine) -> RecordingUpdate:
    try:
        async with receive(engine, conversation_id, partial(storage.create, conversation_id)) as (recording, audio):
            return RecordingUpdate(conversation_id, await recording.save(audio.content_type))
    except NotFoundError as error:
        if not is_missing(error):
            raise
        return RecordingUpdate(conversation_id, None)


def _build_decode_error(problem: str) -> DecodeError:
    error = DecodeError(problem)
    error.retryable = True  # a proxy may respond in place of the service for a while
    return error


def _update_for_error(job: Job, error: ConvAIError) -> Update | None:
    """Return the update for a job whose request failed, or None if there is nothing to write."""
    if is_missing(error) and (job.kind == "presence" or not job.is_listed):
        return DeletionUpdate(job.conversation_id)
    if job.kind == "presence":
        return None
    summary = job.summary if job.kind == "conversation" else None
    return Failure(job.conversation_id, str(error), error.attempts, job.kind, summary)
