"""Fetch what a job asks for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from convai_async import calls
from convai_async.errors import (
    AuthenticationError,
    ConvAIError,
    DecodeError,
    NotFoundError,
)
from convai_async.harvest import _recordings
from convai_async.harvest._outages import OUTAGE_ERRORS
from convai_async.harvest._rows import Failure, Fetched, Finding, Gone, Recorded, decoded, is_of

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async._memory import Reservation
    from convai_async.calls import Response
    from convai_async.client import ConvAIClient
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

    async def fetch(self, job: Job, memory: Reservation) -> Finding | None:
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

    async def _attempt(self, job: Job, memory: Reservation, client: ConvAIClient) -> Finding | None:
        try:
            match job.kind:
                case "audio":
                    return await self._save_audio(job.summary.conversation_id, client)
                case "presence":
                    await client.send_raw(calls.get_conversation(job.summary.conversation_id))
                    return None
                case "conversation":
                    return await _fetch_conversation(job, memory, client)
        except (AuthenticationError, *OUTAGE_ERRORS):
            raise
        except ConvAIError as error:
            return _failed(job, error)

    async def _save_audio(self, conversation_id: str, client: ConvAIClient) -> Recorded:
        destination = self._archive.parent / _recordings.FOLDER / _recordings.file_name(conversation_id)
        try:
            audio = await client.conversations.audio.download(conversation_id, destination, overwrite=True)
        except NotFoundError as error:
            if not is_missing(error):
                raise
            return Recorded(conversation_id, None)
        return Recorded(conversation_id, audio)


def is_missing(error: ConvAIError) -> bool:
    """Return whether the service says that it does not have something.

    A proxy that has lost its routes answers 404 as well, with a page of its own: that says nothing about the service.
    """
    if not isinstance(error, NotFoundError):
        return False
    try:
        document = msgspec.json.decode(error.body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "detail" in document


async def _fetch_conversation(job: Job, memory: Reservation, client: ConvAIClient) -> Finding:
    conversation_id = job.summary.conversation_id
    findings: list[Fetched] = []

    def validate(response: Response[Conversation]) -> None:
        """Refuse what is not this conversation; a document of a newer shape is kept as it is."""
        finding = decoded(job.summary, response.body)
        if isinstance(finding, Failure):
            raise _not_the_conversation(finding.error)
        if finding.undecodable and not is_of(conversation_id, response.body):
            raise _not_the_conversation(f"the reply is not a conversation: {finding.row['decode_error']}")
        findings.append(finding)

    engine = client._engine  # noqa: SLF001 - with the retries and the limit of this client
    await engine.send_raw(calls.get_conversation(conversation_id), validate=validate, memory=memory)
    return findings[-1]


def _not_the_conversation(problem: str) -> DecodeError:
    error = DecodeError(problem)
    error.retryable = True  # what stands before the service may answer in its place for a while
    return error


def _failed(job: Job, error: ConvAIError) -> Finding | None:
    """Return what it means that a job's request failed."""
    conversation_id = job.summary.conversation_id
    if is_missing(error) and (job.kind == "presence" or not job.listed):
        return Gone(conversation_id)
    if job.kind == "presence":
        return None
    return Failure(
        conversation_id, str(error), error.attempts, job.kind, job.summary if job.kind == "conversation" else None
    )
