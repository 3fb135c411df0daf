"""A Starlette backend for ``<audio src="/calls/conv_1/audio">`` that supports seeking."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from recording_cache import RecordingCache
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse
from starlette.routing import Route

from convai_async import ConvAIClient, NotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    with TemporaryDirectory() as folder:
        async with ConvAIClient() as client:
            app.state.recordings = RecordingCache(client, Path(folder))
            yield


async def audio(request: Request) -> FileResponse:
    try:
        path = await request.app.state.recordings.get_path(
            request.path_params["conversation_id"]
        )
    except NotFoundError:
        raise HTTPException(404, "no recording") from None
    # It supports Range and HEAD requests.
    return FileResponse(path, media_type="audio/mpeg")


app = Starlette(
    routes=[Route("/calls/{conversation_id}/audio", audio)], lifespan=lifespan
)
