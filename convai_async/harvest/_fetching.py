"""Fetch what a job asks for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from convai_async import endpoints
from convai_async.archive import _recordings
from convai_async.archive._records import (
    ConversationUpdate,
    DeletionUpdate,
    Failure,
    Recording,
    RecordingUpdate,
    Update,
    decode_update,
    is_document_of,
)
from convai_async.errors import (
    AuthenticationError,
    ConvAIError,
    DecodeError,
    NotFoundError,
)
from convai_async.harvest._outages import OUTAGE_ERRORS

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async._transport.memory import Reservation
    from convai_async.client import ConvAIClient
    from convai_async.endpoints import Response
    from convai_async.harvest._jobs import Job
    from convai_async.harvest._outages import OutageGuard
    from convai_async.models import Conversation


class Fetcher:
    """Does jobs.

    Args:
        guard: Sends the requests.
        archive: The archive's file: recordings are saved beside it.
    """

    def __init__(self, guard: OutageGuard, archive: Path) -> None:
        self._guard = guard
        self._archive = archive

    async def fetch(self, job: Job, memory: Reservation) -> Update | None:
        """Return what came of a job; None if it was only to ask whether the service has a conversation, and it has.

        Args:
            job: What to fetch.
            memory: Counts the memory of a large document until the caller releases it.

        Raises:
            AuthenticationError: The key is not accepted any more.
            TransportError, ServerError: An outage lasted too long.
            StopRequested: As `OutageGuard.run`.
        """
        return await self._guard.run(partial(self._attempt, job, memory), partial(_failed, job))

    async def _attempt(self, job: Job, memory: Reservation, client: ConvAIClient) -> Update | None:
        try:
            match job.kind:
                case "audio":
                    return await self._save_audio(job.summary.conversation_id, client)
                case "presence":
                    await client.send_raw(endpoints.get_conversation(job.summary.conversation_id))
                    return None
                case "conversation":
                    return await _fetch_conversation(job, memory, client)
        except (AuthenticationError, *OUTAGE_ERRORS):
            raise
        except ConvAIError as error:
            return _failed(job, error)

    async def _save_audio(self, conversation_id: str, client: ConvAIClient) -> RecordingUpdate:
        destination = self._archive.parent / _recordings.FOLDER / _recordings.file_name(conversation_id)
        try:
            audio = await client.conversations.audio.download(conversation_id, destination, overwrite=True)
        except NotFoundError as error:
            if not is_missing(error):
                raise
            return RecordingUpdate(conversation_id, None)
        return RecordingUpdate(conversation_id, Recording(audio.path, audio.size, audio.sha256, audio.content_type))


def is_missing(error: ConvAIError) -> bool:
    """Return whether the service says that it does not have something.

    A proxy that has lost its routes answers 404 as well, with a page of its own: that says nothing about the service.
    """
    return isinstance(error, NotFoundError) and error.is_from_service


async def _fetch_conversation(job: Job, memory: Reservation, client: ConvAIClient) -> Update:
    conversation_id = job.summary.conversation_id
    updates: list[ConversationUpdate] = []

    def validate(response: Response[Conversation]) -> None:
        """Refuse what is not this conversation; a document of a newer shape is kept as it is."""
        update = decode_update(job.summary, response.body)
        if isinstance(update, Failure):
            raise _not_the_conversation(update.error)
        if update.undecodable and not is_document_of(conversation_id, response.body):
            raise _not_the_conversation(f"the reply is not a conversation: {update.row['decode_error']}")
        updates.append(update)

    engine = client._engine  # noqa: SLF001 - with the retries and the limit of this client
    await engine.send_raw(endpoints.get_conversation(conversation_id), validate=validate, memory=memory)
    return updates[-1]


def _not_the_conversation(problem: str) -> DecodeError:
    error = DecodeError(problem)
    error.retryable = True  # what stands before the service may answer in its place for a while
    return error


def _failed(job: Job, error: ConvAIError) -> Update | None:
    """Return what it means that a job's request failed."""
    conversation_id = job.summary.conversation_id
    if is_missing(error) and (job.kind == "presence" or not job.listed):
        return DeletionUpdate(conversation_id)
    if job.kind == "presence":
        return None
    return Failure(
        conversation_id, str(error), error.attempts, job.kind, job.summary if job.kind == "conversation" else None
    )
