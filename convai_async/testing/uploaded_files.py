"""The files that clients upload to conversations."""

from __future__ import annotations

from typing import Self


class UploadedFile(bytes):
    """The content of an uploaded file.

    Attributes:
        filename: The file name that was sent.
        content_type: The media type that was sent.
        used: Whether the file was used in the conversation, and can no longer be deleted.
    """

    filename: str
    content_type: str
    used: bool

    def __new__(cls, content: bytes, *, filename: str, content_type: str) -> Self:
        """Create a file that was not used yet."""
        file = super().__new__(cls, content)
        file.filename = filename
        file.content_type = content_type
        file.used = False
        return file
