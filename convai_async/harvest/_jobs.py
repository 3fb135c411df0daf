"""What the tasks of a harvest hand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from convai_async._transport.memory import Reservation
from convai_async.archive._records import Update
from convai_async.archive._windows import Window
from convai_async.endpoints import UndecodableItem
from convai_async.models import ConversationSummary


class RangeProgress(msgspec.Struct, eq=False):
    """One reading of a range of the list, and how much of what it listed is still to be written.

    Attributes:
        window: The range.
        ids: Conversations of the range that it has listed.
        whole: Whether everything that it listed is in the archive once nothing is left.
        read: What may then be noted as read; None while it is being read.
        left: Findings that are still to be written, and one for the reading itself.
    """

    window: Window
    ids: set[str] = msgspec.field(default_factory=set)
    whole: bool = True
    read: Window | None = None
    left: int = 1


class Listing(msgspec.Struct, frozen=True):
    """A page of the list.

    Attributes:
        progress: The reading that it belongs to.
        summaries: Its conversations.
        undecodable: Its lines that could not be decoded.
    """

    progress: RangeProgress
    summaries: Sequence[ConversationSummary]
    undecodable: Sequence[UndecodableItem] = ()


class Job(msgspec.Struct, eq=False):
    """Something to fetch.

    Attributes:
        summary: The conversation's line in the list.
        kind: Whether to fetch the conversation or its recording, or only to ask whether the service still has it.
        listed: Whether the service has just listed it: then a 404 is a failure, and not a deletion.
        progress: The readings that wait for it.
    """

    summary: ConversationSummary
    kind: Literal["conversation", "audio", "presence"] = "conversation"
    listed: bool = True
    progress: list[RangeProgress] = msgspec.field(default_factory=list)

    def add_to(self, progress: RangeProgress) -> None:
        """Let a reading wait for this job."""
        progress.left += 1
        self.progress.append(progress)


class Outcome(msgspec.Struct, eq=False):
    """What is to be written.

    Attributes:
        update: What was found out, or None.
        progress: The readings that wait for it; the same list as the job's.
        memory: What the update takes, to be released when it is written, or None.
    """

    update: Update | None
    progress: list[RangeProgress]
    memory: Reservation | None = None


def completed(progress: list[RangeProgress]) -> list[Window]:
    """Take the readings off the list, since what they waited for is being written, and return the windows now read."""
    windows = []
    while progress:
        reading = progress.pop()
        reading.left -= 1
        if reading.left == 0 and reading.whole and reading.read is not None and not reading.read.empty:
            windows.append(reading.read)
    return windows
