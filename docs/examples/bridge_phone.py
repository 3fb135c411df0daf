"""A FastAPI backend that lets people phone an agent, over Twilio Media Streams.

In the agent's settings, set the user's and the agent's audio to mu-law 8000 Hz. In
Twilio, set the webhook of your number to ``https://your-host/calls``.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect

from convai_async import ConvAIClient, ConversationClosedError
from convai_async.live import AudioChunk, Interruption, LiveConversation

AGENT_ID = "agent_1"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with ConvAIClient() as app.state.convai:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/calls")
async def answer(request: Request) -> Response:
    url = f"wss://{request.url.netloc}/calls/audio"
    twiml = f'<Response><Connect><Stream url="{url}" /></Connect></Response>'
    return Response(twiml, media_type="text/xml")


@app.websocket("/calls/audio")
async def connect(phone: WebSocket) -> None:
    await phone.accept()
    conversations = phone.app.state.convai.conversations
    try:
        await phone.receive_json()  # "connected"
        stream = (await phone.receive_json())["streamSid"]  # "start"
        async with conversations.connect(AGENT_ID) as live, asyncio.TaskGroup() as both:
            both.create_task(forward_caller(phone, live))
            await forward_agent(phone, live, stream)
        await phone.close()  # Twilio hangs up, or goes on after <Connect>
    except* WebSocketDisconnect:
        pass  # the caller has hung up


async def forward_caller(phone: WebSocket, live: LiveConversation) -> None:
    while True:
        match await phone.receive_json():
            case {"event": "media", "media": {"payload": payload}}:
                with suppress(ConversationClosedError):  # the agent has hung up
                    await live.send_audio(
                        b64decode(payload), format="ulaw_8000", when_full="drop_oldest"
                    )
            case {"event": "mark"}:
                return  # the caller has heard everything
            case {"event": "stop"}:
                raise WebSocketDisconnect


async def forward_agent(phone: WebSocket, live: LiveConversation, stream: str) -> None:
    async def send(event: str, **content: Any) -> None:
        await phone.send_json({"event": event, "streamSid": stream, **content})

    async for event in live:
        match event:
            case AudioChunk(data=audio) if audio:
                await send("media", media={"payload": b64encode(audio).decode()})
            case Interruption():
                await send("clear")  # forget what the caller has not heard yet
            case _:
                pass
    await send("mark", mark={"name": "end"})  # Twilio returns it after the audio
