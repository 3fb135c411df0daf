"""A turn of the user."""

from __future__ import annotations

import msgspec

from convai_async.testing.uploaded_files import UploadedFile


class UserTurn(msgspec.Struct, kw_only=True, frozen=True):
    """A turn of the user.

    Attributes:
        text: The text; the words that were heard, if the user spoke.
        medium: ``"text"`` or ``"audio"``.
        files: The files of a multimodal message.
        audio: The user's speech, in the input format of the conversation.
        is_multimodal: Whether it is a multimodal message, which interrupts the agent.
    """

    text: str
    medium: str = "text"
    files: tuple[UploadedFile, ...] = ()
    audio: bytes = b""
    is_multimodal: bool = False
