"""A minimal WebSocket server for live conversations, so that it is not the bottleneck.

    python -m benchmarks.live_service

It prints its port, and serves until its standard input is closed. It answers each text with a text, and each chunk of
audio with a chunk of the same length. ``/pongs`` returns the seconds from each ping to its pong.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import uvloop
from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Mapping

PING_SECS = 2.0
_METADATA = {
    "conversation_id": "conv_1",
    "agent_output_audio_format": "pcm_16000",
    "user_input_audio_format": "pcm_16000",
}
_AUDIO_PREFIX = '{"user_audio_chunk"'
_latencies: list[float] = []


async def hold_conversation(request: web.Request) -> web.WebSocketResponse:
    """Answer the messages of a conversation."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    await _send(socket, "conversation_initiation_metadata", "conversation_initiation_metadata_event", _METADATA)
    pinged: list[float] = []
    pinging = asyncio.create_task(_ping(socket, pinged))
    turn = 0
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            break
        text: str = message.data
        if text.startswith(_AUDIO_PREFIX):
            audio = text[text.index(":") + 1 : -1].strip()
            await socket.send_str(f'{{"type":"audio","audio_event":{{"event_id":1,"audio_base_64":{audio}}}}}')
            continue
        kind = msgspec.json.decode(text)["type"]
        if kind == "pong":
            _latencies.append(time.perf_counter() - pinged.pop(0))
        elif kind == "user_message":
            turn += 1
            response = {"agent_response": "Your order is on its way.", "event_id": turn}
            await _send(socket, "agent_response", "agent_response_event", response)
            await _send(socket, "agent_response_complete", "agent_response_complete_event", {"event_id": turn})
    pinging.cancel()
    return socket


async def _ping(socket: web.WebSocketResponse, pinged: list[float]) -> None:
    number = 0
    while True:
        number += 1
        pinged.append(time.perf_counter())
        await _send(socket, "ping", "ping_event", {"event_id": number, "ping_ms": 20})
        await asyncio.sleep(PING_SECS)


async def _send(socket: web.WebSocketResponse, kind: str, key: str, payload: Mapping[str, object]) -> None:
    await socket.send_str(msgspec.json.encode({"type": kind, key: payload}).decode())


async def serve() -> None:
    """Serve until standard input is closed."""
    app = web.Application()
    app.router.add_get("/v1/convai/conversation", hold_conversation)
    app.router.add_get("/pongs", lambda _: _respond(_latencies))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


async def _respond(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


if __name__ == "__main__":
    uvloop.run(serve())
