"""The routes of the pages."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from aiohttp import web

from convai_async.archive import ArchiveError
from convai_async.archive._recordings import find as find_recording
from convai_async.browse._choices import read_choices
from convai_async.browse._conversation import read_conversation, read_recording
from convai_async.browse._filters import HAS, Filters, Result, Status
from convai_async.browse._objects import send_object
from convai_async.browse._queries import Position, list_conversations
from convai_async.browse._security import STATIC, AccessDeniedError, add_security_headers
from convai_async.browse._templates import compile_templates, render
from convai_async.errors import ConfigurationError, InvalidArgumentError, StorageError

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from convai_async.archive import ArchiveReader, StoredObject
    from convai_async.browse._choices import Choices
    from convai_async.browse._conversation import ConversationDetails, Recording
    from convai_async.browse._database import ArchiveConnection
    from convai_async.browse._queries import ListPage
    from convai_async.browse._security import Access

_STATIC = Path(__file__).parent / "static"
_AUDIO = re.compile(r"audio/[\w.+-]+", re.ASCII)
_CONVERSATION = "/conversations/{conversation_id:[^/]+}"  # by default, it has no braces
_OLDER, _NEWER = "older_than", "newer_than"


def build_app(archive: ArchiveConnection, access: Access) -> web.Application:
    """Return the application that shows an archive to those who have access."""
    compile_templates()
    pages = _Pages(archive, access)
    app = web.Application(middlewares=[pages.explain_errors, access.middleware])
    app.on_response_prepare.append(add_security_headers)
    app.add_routes(
        [
            web.get("/", pages.show_list),
            web.get(_CONVERSATION, pages.show_conversation),
            web.get(f"{_CONVERSATION}/recording", pages.send_recording),
            *(web.get(f"{STATIC}{file.name}", partial(_send_static, file)) for file in _STATIC.iterdir()),
        ]
    )
    return app


class _Pages:
    def __init__(self, archive: ArchiveConnection, access: Access) -> None:
        self._archive = archive
        self._access = access

    async def show_list(self, request: web.Request) -> web.Response:
        filters = Filters.from_query(request.query)
        older, newer = (request.query.get(name, "") for name in (_OLDER, _NEWER))
        kept = filters.to_query() | {name: text for name, text in ((_OLDER, older), (_NEWER, newer)) if text}
        if kept != dict(request.query):  # a form also sends its empty fields
            raise web.HTTPSeeOther(request.rel_url.with_query(kept))
        position = Position.from_text(_OLDER, older) if older else None
        if newer:
            position = Position.from_text(_NEWER, newer)

        def read(reader: ArchiveReader) -> tuple[ListPage, Choices]:
            page = list_conversations(reader, filters, position, newer=bool(newer))
            return page, read_choices(reader.connection)

        page, choices = await self._archive.run(read)
        return self._render(
            "list.html",
            filters=filters,
            page=page,
            choices=choices,
            results=get_args(Result),
            statuses=get_args(Status),
            has=HAS,
            is_newer=bool(newer),
            newer=page.newer and request.rel_url.with_query(filters.to_query() | {_NEWER: str(page.newer)}),
            older=page.older and request.rel_url.with_query(filters.to_query() | {_OLDER: str(page.older)}),
        )

    async def show_conversation(self, request: web.Request) -> web.Response:
        conversation_id = request.match_info["conversation_id"]

        def read(reader: ArchiveReader) -> tuple[ConversationDetails | None, bool]:
            conversation = read_conversation(reader.connection, conversation_id)
            recording = None if conversation is None else conversation.recording
            return conversation, recording is not None and self._find(conversation_id, recording) is not None

        conversation, is_playable = await self._archive.run(read)
        if conversation is None:
            return self._render_message(
                HTTPStatus.NOT_FOUND, f"The archive does not contain the conversation {conversation_id}."
            )
        # A conversation of many turns takes seconds, in which other pages are served.
        return await asyncio.to_thread(
            self._render, "conversation.html", conversation=conversation, is_playable=is_playable
        )

    async def send_recording(self, request: web.Request) -> web.StreamResponse:
        conversation_id = request.match_info["conversation_id"]

        def read(reader: ArchiveReader) -> tuple[Path | StoredObject | None, str]:
            recording = read_recording(reader.connection, conversation_id)
            if recording is None:
                return None, ""
            return self._find(conversation_id, recording), recording.content_type

        found, content_type = await self._archive.run(read)
        # In an untrusted archive, the type can be any text: never send one that a browser shows as a page.
        content_type = content_type if _AUDIO.fullmatch(content_type) else "audio/mpeg"
        response: web.StreamResponse | None = None
        if isinstance(found, Path):
            response = web.FileResponse(found, headers={"Content-Type": content_type})
        elif found is not None:
            response = await send_object(request, found, content_type)
        return response or self._render_message(
            HTTPStatus.NOT_FOUND,
            f"The archive has no recording of {conversation_id}: it was not saved, or it was deleted.",
        )

    @web.middleware
    async def explain_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except AccessDeniedError as error:
            again = self._access.resolve(request.rel_url) if error.can_continue else None
            return self._render_message(error.status, str(error), again=again, archive="convai-async browse")
        except InvalidArgumentError as error:
            return self._render_message(HTTPStatus.BAD_REQUEST, str(error))
        except (ArchiveError, ConfigurationError, StorageError) as error:
            return self._render_message(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except web.HTTPNotFound:
            return self._render_message(HTTPStatus.NOT_FOUND, "There is no such page.")

    def _find(self, conversation_id: str, recording: Recording) -> Path | StoredObject | None:
        return find_recording(self._archive.file, conversation_id, recording.path)

    def _render(self, template: str, *, status: int = HTTPStatus.OK, **values: object) -> web.Response:
        html = render(template, **{"archive": self._archive.name, **values})
        return web.Response(text=html, content_type="text/html", charset="utf-8", status=status)

    def _render_message(self, status: HTTPStatus, message: str, **values: object) -> web.Response:
        return self._render("message.html", status=status, title=status.phrase, message=message, **values)


async def _send_static(file: Path, _request: web.Request) -> web.FileResponse:
    return web.FileResponse(file, headers={"Cache-Control": "no-cache"})
