"""An aiohttp.web backend for ``<audio src="/calls/conv_1/audio">`` that supports seeking."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from aiohttp import web
from recording_cache import RecordingCache

from convai_async import ConvAIClient, NotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RECORDINGS = web.AppKey("recordings", RecordingCache)


async def lifespan(app: web.Application) -> AsyncIterator[None]:
    with TemporaryDirectory() as folder:
        async with ConvAIClient() as client:
            app[RECORDINGS] = RecordingCache(client, Path(folder))
            yield


async def audio(request: web.Request) -> web.FileResponse:
    try:
        path = await request.app[RECORDINGS].get_path(
            request.match_info["conversation_id"]
        )
    except NotFoundError:
        raise web.HTTPNotFound from None
    return web.FileResponse(path)  # it supports Range and HEAD requests


def make_app() -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(lifespan)
    app.router.add_get("/calls/{conversation_id}/audio", audio)
    return app
