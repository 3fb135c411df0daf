"""What the tasks of a harvest hand to each other."""

from __future__ import annotations

from typing import Literal

import msgspec

from convai_async._memory import Reservation
from convai_async.harvest._rows import Finding
from convai_async.harvest.windows import Window
from convai_async.models import ConversationSummary


class Progress(msgspec.Struct, eq=False):
    """How much of a listed window is still to be written.

    Attributes:
        window: The window; None when it is not to be noted.
        left: Findings that are still to come, and one for the lister.
    """

    window: Window | None
    left: int = 1


class Job(msgspec.Struct):
    """Something to fetch.

    Attributes:
        summary: Of which conversation.
        progress: The window that it belongs to, or None.
        kind: The conversation; its recording; or only whether the service still has it.
        listed: Whether the service has just listed it: then a 404 is a failure, and no deletion.
    """

    summary: ConversationSummary
    progress: Progress | None = None
    kind: Literal["conversation", "audio", "presence"] = "conversation"
    listed: bool = True


class Outcome(msgspec.Struct):
    """What is to be written.

    Attributes:
        finding: What was found out; None when it is only that a window has been listed, or nothing.
        progress: The window that it belongs to, or None.
        memory: What the finding takes, to be released when it is written, or None.
    """

    finding: Finding | None
    progress: Progress | None
    memory: Reservation | None = None


def completed(progress: Progress | None) -> Window | None:
    """Note that one more finding of a window is about to be written, and return the window if it is the last."""
    if progress is None:
        return None
    progress.left -= 1
    return progress.window if progress.left == 0 and progress.window and not progress.window.empty else None
