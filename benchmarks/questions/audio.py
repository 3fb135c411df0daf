"""Saving a large recording."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import httpx
import psutil

from benchmarks.clients import KEY, OURS, conversations_of_the_sdk, path_of
from benchmarks.documents import conversation_id
from benchmarks.memory import forget_peak, peak_mib
from benchmarks.question import Contender, Question, Setting
from benchmarks.service import AUDIO_BYTES
from convai_async import ConvAIClient

_PATH = path_of(conversation_id(0)) + "/audio"
_MIB = 1024 * 1024

Download = Callable[[Path], Awaitable[None]]
Open = Callable[[str, AsyncExitStack], Awaitable[Download]]


async def ours(url: str, stack: AsyncExitStack) -> Download:
    """This library."""
    client = await stack.enter_async_context(ConvAIClient(KEY, base_url=url))

    async def download(path: Path) -> None:
        await client.conversations.audio.download(conversation_id(0), path)

    return download


async def sdk(url: str, _: AsyncExitStack) -> Download:
    """The official SDK."""
    conversations = conversations_of_the_sdk(url)

    async def download(path: Path) -> None:
        with path.open("wb") as file:
            async for chunk in conversations.audio.get(conversation_id(0)):
                file.write(chunk)

    return download


async def httpx_stream(url: str, stack: AsyncExitStack) -> Download:
    """What people write with httpx."""
    client = await stack.enter_async_context(httpx.AsyncClient(base_url=url))

    async def download(path: Path) -> None:
        async with client.stream("GET", _PATH) as reply:
            with path.open("wb") as file:
                async for chunk in reply.aiter_bytes():
                    file.write(chunk)

    return download


async def aiohttp_stream(url: str, stack: AsyncExitStack) -> Download:
    """What people write with aiohttp."""
    session = await stack.enter_async_context(aiohttp.ClientSession(url))

    async def download(path: Path) -> None:
        async with session.get(_PATH) as reply:
            with path.open("wb") as file:
                async for chunk in reply.content.iter_any():
                    file.write(chunk)

    return download


async def curl(url: str, _: AsyncExitStack) -> Download:
    """The command line's way."""
    program = shutil.which("curl")
    if program is None:
        raise FileNotFoundError("curl is not installed")

    async def download(path: Path) -> None:
        subprocess.run([program, "-sf", "-o", path, url + _PATH], check=True)  # noqa: ASYNC221 - nobody else waits

    return download


async def curl_synced_and_hashed(url: str, stack: AsyncExitStack) -> Download:
    """The command line's way, with what else this library does: the bytes are on the disk, and their hash is known."""
    save = await curl(url, stack)

    async def download(path: Path) -> None:
        await save(path)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
            hashlib.file_digest(file, "sha256")

    return download


def _mebibytes_a_second(open_: Open) -> Contender:
    async def measure(setting: Setting) -> float:
        async with AsyncExitStack() as stack:
            download = await open_(setting.url, stack)
            await _fresh(download, setting.folder)
            took = count = 0.0
            while took < setting.seconds:
                took += await _fresh(download, setting.folder)
                count += 1
            return count * AUDIO_BYTES / _MIB / took

    return measure


def _mebibytes_above_idle(open_: Open) -> Contender:
    async def measure(setting: Setting) -> float:
        async with AsyncExitStack() as stack:
            download = await open_(setting.url, stack)
            forget_peak()
            before = psutil.Process().memory_info().rss / _MIB
            await _fresh(download, setting.folder)
            return peak_mib() - before

    return measure


async def _fresh(download: Download, folder: Path) -> float:
    path = folder / "recording.mp3"
    began = time.perf_counter()
    await download(path)
    took = time.perf_counter() - began
    if path.stat().st_size != AUDIO_BYTES:
        raise ValueError(f"{path.stat().st_size} bytes of {AUDIO_BYTES}")
    path.unlink()
    return took


_WAYS: dict[str, Open] = {
    OURS: ours,
    "curl": curl,
    "curl, then synced and hashed": curl_synced_and_hashed,
    "aiohttp": aiohttp_stream,
    "httpx": httpx_stream,
    "elevenlabs (official SDK)": sdk,
}
SPEED = Question(
    asks=f"Saving a recording of {AUDIO_BYTES // _MIB} MiB",
    unit="MiB/s",
    more_is_better=True,
    contenders={name: _mebibytes_a_second(way) for name, way in _WAYS.items()},
)
MEMORY = Question(
    asks=f"Memory above idle while a recording of {AUDIO_BYTES // _MIB} MiB is saved",
    unit="MiB",
    contenders={
        name: _mebibytes_above_idle(way) for name, way in _WAYS.items() if way not in {curl, curl_synced_and_hashed}
    },
    rounds=3,
)
