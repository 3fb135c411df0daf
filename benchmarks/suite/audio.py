"""Benchmarks of saving a large recording."""

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

from benchmarks.benchmark import Benchmark, Context, Implementation
from benchmarks.clients import KEY, OURS, build_path, create_sdk_conversations
from benchmarks.documents import conversation_id
from benchmarks.memory import read_peak_mib, reset_peak
from benchmarks.service import AUDIO_BYTES
from convai_async import ConvAIClient

_PATH = build_path(conversation_id(0)) + "/audio"
_MIB = 1024 * 1024

Download = Callable[[Path], Awaitable[None]]
Open = Callable[[str, AsyncExitStack], Awaitable[Download]]


async def open_convai_async(url: str, stack: AsyncExitStack) -> Download:
    """Save with convai_async."""
    client = await stack.enter_async_context(ConvAIClient(KEY, base_url=url))

    async def download(path: Path) -> None:
        await client.conversations.audio.download(conversation_id(0), path)

    return download


async def open_official_sdk(url: str, _: AsyncExitStack) -> Download:
    """Save with the official SDK."""
    conversations = create_sdk_conversations(url)

    async def download(path: Path) -> None:
        with path.open("wb") as file:
            async for chunk in conversations.audio.get(conversation_id(0)):
                file.write(chunk)

    return download


async def open_httpx(url: str, stack: AsyncExitStack) -> Download:
    """Save with httpx."""
    client = await stack.enter_async_context(httpx.AsyncClient(base_url=url))

    async def download(path: Path) -> None:
        async with client.stream("GET", _PATH) as response:
            with path.open("wb") as file:
                async for chunk in response.aiter_bytes():
                    file.write(chunk)

    return download


async def open_aiohttp(url: str, stack: AsyncExitStack) -> Download:
    """Save with aiohttp."""
    session = await stack.enter_async_context(aiohttp.ClientSession(url))

    async def download(path: Path) -> None:
        async with session.get(_PATH) as response:
            with path.open("wb") as file:
                async for chunk in response.content.iter_any():
                    file.write(chunk)

    return download


async def open_curl(url: str, _: AsyncExitStack) -> Download:
    """Save with curl."""
    program = shutil.which("curl")
    if program is None:
        raise FileNotFoundError("curl is not installed")

    async def download(path: Path) -> None:
        subprocess.run([program, "-sf", "-o", path, url + _PATH], check=True)  # noqa: ASYNC221 - nothing else runs

    return download


async def open_curl_with_sync_and_hash(url: str, stack: AsyncExitStack) -> Download:
    """Save with curl, then sync the file to disk and hash it, as convai_async does."""
    save = await open_curl(url, stack)

    async def download(path: Path) -> None:
        await save(path)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
            hashlib.file_digest(file, "sha256")

    return download


def _measure_speed(open_: Open) -> Implementation:
    async def measure(context: Context) -> float:
        async with AsyncExitStack() as stack:
            download = await open_(context.url, stack)
            await _time_download(download, context.folder)
            seconds = count = 0.0
            while seconds < context.seconds:
                seconds += await _time_download(download, context.folder)
                count += 1
            return count * AUDIO_BYTES / _MIB / seconds

    return measure


def _measure_memory(open_: Open) -> Implementation:
    async def measure(context: Context) -> float:
        async with AsyncExitStack() as stack:
            download = await open_(context.url, stack)
            reset_peak()
            before = psutil.Process().memory_info().rss / _MIB
            await _time_download(download, context.folder)
            return read_peak_mib() - before

    return measure


async def _time_download(download: Download, folder: Path) -> float:
    path = folder / "recording.mp3"
    began = time.perf_counter()
    await download(path)
    seconds = time.perf_counter() - began
    if path.stat().st_size != AUDIO_BYTES:
        raise ValueError(f"{path.stat().st_size} bytes of {AUDIO_BYTES}")
    path.unlink()
    return seconds


_OPENERS: dict[str, Open] = {
    OURS: open_convai_async,
    "curl": open_curl,
    "curl with sync and hash": open_curl_with_sync_and_hash,
    "aiohttp": open_aiohttp,
    "httpx": open_httpx,
    "elevenlabs (official SDK)": open_official_sdk,
}
SPEED = Benchmark(
    title=f"Speed of saving a recording of {AUDIO_BYTES // _MIB} MiB",
    unit="MiB/s",
    more_is_better=True,
    implementations={name: _measure_speed(opener) for name, opener in _OPENERS.items()},
)
MEMORY = Benchmark(
    title=f"Memory used while saving a recording of {AUDIO_BYTES // _MIB} MiB",
    unit="MiB",
    implementations={name: _measure_memory(opener) for name, opener in _OPENERS.items() if not name.startswith("curl")},
    rounds=3,
)
