"""The clients to compare, with one interface: open a client, get a conversation."""

from __future__ import annotations

import json
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import httpx
import msgspec

from convai_async import ConvAIClient
from convai_async.models import Conversation, get_decoder

Get = Callable[[str], Awaitable[Any]]
Client = Callable[[str], AbstractAsyncContextManager[Get]]

IN_FLIGHT = 32
KEY = "xi-benchmark"


def build_path(conversation_id: str) -> str:
    """Return the path of a conversation."""
    return f"/v1/convai/conversations/{conversation_id}"


@asynccontextmanager
async def open_convai_async(url: str) -> AsyncIterator[Get]:
    """Open the client of convai_async."""
    async with ConvAIClient(KEY, base_url=url) as client:
        yield client.conversations.get


def create_sdk_conversations(url: str) -> Any:
    """Return the conversations client of the official SDK."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from elevenlabs.client import AsyncElevenLabs  # noqa: PLC0415 - takes seconds
    return AsyncElevenLabs(api_key=KEY, base_url=url).conversational_ai.conversations


@asynccontextmanager
async def open_official_sdk(url: str) -> AsyncIterator[Get]:
    """Open the client of the official SDK."""
    yield create_sdk_conversations(url).get


@asynccontextmanager
async def open_httpx(url: str) -> AsyncIterator[Get]:
    """Open an httpx client that decodes with json."""
    async with httpx.AsyncClient(base_url=url, headers={"xi-api-key": KEY}) as client:

        async def get(conversation_id: str) -> Any:
            response = await client.get(build_path(conversation_id))
            response.raise_for_status()
            return response.json()

        yield get


def build_aiohttp_client(decode: Callable[[bytes], Any]) -> Client:
    """Return a client on aiohttp that decodes with a function."""

    @asynccontextmanager
    async def client(url: str) -> AsyncIterator[Get]:
        async with aiohttp.ClientSession(url, headers={"xi-api-key": KEY}) as session:

            async def get(conversation_id: str) -> Any:
                async with session.get(build_path(conversation_id)) as response:
                    response.raise_for_status()
                    return decode(await response.read())

            yield get

    return client


OURS = "convai_async"
FLOOR = "aiohttp + our decoder"

CLIENTS: dict[str, Client] = {
    OURS: open_convai_async,
    FLOOR: build_aiohttp_client(get_decoder(Conversation)),
    "aiohttp + msgspec (untyped)": build_aiohttp_client(msgspec.json.Decoder().decode),
    "aiohttp + json": build_aiohttp_client(json.loads),
    "httpx + json": open_httpx,
    "elevenlabs (official SDK)": open_official_sdk,
}
