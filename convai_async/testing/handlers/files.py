"""Files of conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from convai_async.testing.responses import (
    RefusedError,
    build_headers,
    error_response,
    invalid,
    json_response,
    not_found,
)
from convai_async.testing.routes import route
from convai_async.testing.uploaded_files import UploadedFile

if TYPE_CHECKING:
    from convai_async.testing.state import State

_MEDIA_TYPES = ("image/", "text/", "application/pdf", "application/json")


@route("POST", "/conversations/{conversation_id}/files")
async def create_file(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Store an uploaded image, PDF or text file."""
    conversation_id = state.find_conversation(request).conversation_id
    try:
        file = (await request.post()).get("file")
    except ValueError:
        raise RefusedError(error_response(400, "bad_request", "There was an error parsing the body", shape=4)) from None
    if not isinstance(file, web.FileField):
        raise invalid(("body", "file"), "Field required")
    if not file.content_type.startswith(_MEDIA_TYPES):
        raise invalid(("body", "file"), f"Images, PDFs and text files are accepted, not {file.content_type}")
    file_id = state.new_id("file")
    state.files[conversation_id, file_id] = UploadedFile(
        file.file.read(), filename=file.filename, content_type=file.content_type
    )
    return json_response({"file_id": file_id})


@route("GET", "/conversations/{conversation_id}/files/{file_id}")
async def get_file(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Send an uploaded file."""
    file = _find_file(state, request)
    headers = build_headers() | {"content-type": file.content_type}
    return web.Response(body=bytes(file), headers=headers)


@route("DELETE", "/conversations/{conversation_id}/files/{file_id}")
async def delete_file(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Delete a file that was not used in the conversation."""
    if _find_file(state, request).used:
        # The documentation of the service does not name the status.
        raise RefusedError(error_response(400, "file_already_used", "The file was used in the conversation."))
    del state.files[_get_key(request)]
    return json_response({"file_id": request.match_info["file_id"]})


def _get_key(request: web.Request) -> tuple[str, str]:
    return request.match_info["conversation_id"], request.match_info["file_id"]


def _find_file(state: State, request: web.Request) -> UploadedFile:
    file = state.files.get(_get_key(request))
    if file is None:
        raise not_found("file")
    return file
