"""Files that belong to conversations."""

from __future__ import annotations

from convai_async.models._base import Model


class UploadedFile(Model):
    """A file that was uploaded.

    Schema: ConvAiFileUploadResponseModel.

    Attributes:
        file_id: What it is deleted by.
    """

    file_id: str
