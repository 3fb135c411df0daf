"""Files that users attach to a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from convai_async.testing.operations import operation
from convai_async.testing.replies import (
    RefusedError,
    error_reply,
    headers_of_every_reply,
    invalid,
    json_reply,
    not_found,
)
from convai_async.testing.state import UploadedFile

if TYPE_CHECKING:
    from convai_async.testing.state import State

_MEDIA_TYPES = ("image/", "text/", "application/pdf", "application/json")


@operation("POST", "/conversations/{conversation_id}/files")
async def create_file(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Keep an image, a PDF or a text file."""
    conversation_id = state.conversation(request).conversation_id
    try:
        file = (await request.post()).get("file")
    except ValueError:
        raise RefusedError(error_reply(400, "bad_request", "There was an error parsing the body", shape=4)) from None
    if not isinstance(file, web.FileField):
        raise invalid(("body", "file"), "Field required")
    if not file.content_type.startswith(_MEDIA_TYPES):
        raise invalid(("body", "file"), f"Images, PDFs and text files are accepted, not {file.content_type}")
    file_id = state.new_id("file")
    state.files[conversation_id, file_id] = UploadedFile(
        file.file.read(), filename=file.filename, content_type=file.content_type
    )
    return json_reply({"file_id": file_id})


@operation("GET", "/conversations/{conversation_id}/files/{file_id}")
async def get_file(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Send a file as it was uploaded."""
    file = _file(state, request)
    headers = headers_of_every_reply() | {"content-type": file.content_type}
    return web.Response(body=bytes(file), headers=headers)


@operation("DELETE", "/conversations/{conversation_id}/files/{file_id}")
async def delete_file(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Delete a file that the conversation has not used."""
    if _file(state, request).used:
        # The service documents that it refuses, but not with which status.
        raise RefusedError(error_reply(400, "file_already_used", "The file was used in the conversation."))
    del state.files[_key(request)]
    return json_reply({"file_id": request.match_info["file_id"]})


def _key(request: web.Request) -> tuple[str, str]:
    return request.match_info["conversation_id"], request.match_info["file_id"]


def _file(state: State, request: web.Request) -> UploadedFile:
    file = state.files.get(_key(request))
    if file is None:
        raise not_found("file")
    return file
