"""The values that the queues of a run hold: jobs to do and results to write."""

from __future__ import annotations

from typing import Literal

import msgspec

from convai_async._transport.memory import Reservation
from convai_async.archive._records import Update
from convai_async.models import ConversationSummary


class Job(msgspec.Struct, eq=False):
    """One thing to fetch.

    Attributes:
        summary: The conversation's line in the list; without one, its id only.
        kind: Whether to fetch the conversation or its recording, or only to ask whether the service still has it.
        is_listed: Whether the service has just listed it: then a 404 is a failure, and not a deletion.
    """

    summary: ConversationSummary
    kind: Literal["conversation", "audio", "presence"] = "conversation"
    is_listed: bool = True

    @property
    def conversation_id(self) -> str:
        """Which conversation it is about."""
        return self.summary.conversation_id


class Result(msgspec.Struct, eq=False):
    """One thing to write.

    Attributes:
        update: What to write; None if the result only says that the job is done, or that a range was read.
        job: The job that it came of; None for the list itself.
        memory: The memory that the update takes until it is written.
    """

    update: Update | None = None
    job: Job | None = None
    memory: Reservation | None = None
