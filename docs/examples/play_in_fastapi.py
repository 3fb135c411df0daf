"""A FastAPI backend for ``<audio src="/calls/conv_1/audio">`` that supports seeking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse
from recording_cache import RecordingCache

from convai_async import ConvAIClient, NotFoundError


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with TemporaryDirectory() as folder:
        async with ConvAIClient() as client:
            app.state.recordings = RecordingCache(client, Path(folder))
            yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(NotFoundError)
async def not_found(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "no recording"}, status_code=404)


@app.api_route("/calls/{conversation_id}/audio", methods=["GET", "HEAD"])
async def audio(conversation_id: str, request: Request) -> FileResponse:
    path = await request.app.state.recordings.get_path(conversation_id)
    # It supports Range and HEAD requests.
    return FileResponse(path, media_type="audio/mpeg")
