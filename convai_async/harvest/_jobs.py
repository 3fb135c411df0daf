"""The items of the queues: jobs to fetch and results to write."""

from __future__ import annotations

from typing import Literal

import msgspec

from convai_async._transport.memory import Reservation
from convai_async.archive._records import Update
from convai_async.models import ConversationSummary


class Job(msgspec.Struct, eq=False):
    """One thing to fetch.

    Attributes:
        summary: The conversation's entry in the list, or a summary with its id only.
        kind: Whether to fetch the conversation or its recording, or only check that the service still has it.
        is_listed: Whether the service has just listed it. Then a 404 is a failure and not a deletion.
    """

    summary: ConversationSummary
    kind: Literal["conversation", "audio", "presence"] = "conversation"
    is_listed: bool = True

    @property
    def conversation_id(self) -> str:
        """The id of the conversation."""
        return self.summary.conversation_id


class Result(msgspec.Struct, eq=False):
    """One thing to write.

    Attributes:
        update: The update to write; None if the job is done, or a range was read, without an update.
        job: The job; None for the list itself.
        memory: The memory of the update, reserved until it is written.
    """

    update: Update | None = None
    job: Job | None = None
    memory: Reservation | None = None
