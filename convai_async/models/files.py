"""Files that belong to conversations."""

from __future__ import annotations

from convai_async.models._base import Model

__all__ = ["FileUpload"]


class FileUpload(Model):
    """A file that was uploaded.

    Schema: ConvAiFileUploadResponseModel.

    Attributes:
        file_id: The id by which a message in the conversation refers to the file, and by which it is read and deleted.
    """

    file_id: str
