"""Uploads of files."""

from __future__ import annotations

from convai_async.models._base import Model

__all__ = ["FileUpload"]


class FileUpload(Model):
    """The result of an upload.

    Schema: ConvAiFileUploadResponseModel.

    Attributes:
        file_id: The id of the file, to refer to it in a message of the conversation, to read it and to delete it.
    """

    file_id: str
