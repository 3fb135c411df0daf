"""Everybody's way to get a conversation, behind one face."""

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


def path_of(conversation_id: str) -> str:
    """Return the path of a conversation."""
    return f"/v1/convai/conversations/{conversation_id}"


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Get]:
    """This library."""
    async with ConvAIClient(KEY, base_url=url) as client:
        yield client.conversations.get


def conversations_of_the_sdk(url: str) -> Any:
    """Return the official SDK's client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from elevenlabs.client import AsyncElevenLabs  # noqa: PLC0415 - takes seconds; only its contenders shall wait
    return AsyncElevenLabs(api_key=KEY, base_url=url).conversational_ai.conversations


@asynccontextmanager
async def sdk(url: str) -> AsyncIterator[Get]:
    """The official SDK."""
    yield conversations_of_the_sdk(url).get


@asynccontextmanager
async def httpx_and_json(url: str) -> AsyncIterator[Get]:
    """What people write with httpx."""
    async with httpx.AsyncClient(base_url=url, headers={"xi-api-key": KEY}) as client:

        async def get(conversation_id: str) -> Any:
            reply = await client.get(path_of(conversation_id))
            reply.raise_for_status()
            return reply.json()

        yield get


def aiohttp_and(decode: Callable[[bytes], Any]) -> Client:
    """What people write with aiohttp."""

    @asynccontextmanager
    async def client(url: str) -> AsyncIterator[Get]:
        async with aiohttp.ClientSession(url, headers={"xi-api-key": KEY}) as session:

            async def get(conversation_id: str) -> Any:
                async with session.get(path_of(conversation_id)) as reply:
                    reply.raise_for_status()
                    return decode(await reply.read())

            yield get

    return client


OURS = "convai_async"
FLOOR = "aiohttp + our decoder"

CLIENTS: dict[str, Client] = {
    OURS: ours,
    FLOOR: aiohttp_and(get_decoder(Conversation)),
    "aiohttp + msgspec, untyped": aiohttp_and(msgspec.json.Decoder().decode),
    "aiohttp + json": aiohttp_and(json.loads),
    "httpx + json": httpx_and_json,
    "elevenlabs (official SDK)": sdk,
}
