"""A FastAPI backend with a page on which people talk to an agent.

It needs ``bridge_browser.html`` beside it. The agent's audio formats must be PCM.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse

from convai_async import ConvAIClient, ConversationClosedError
from convai_async.live import (
    AgentResponse,
    AudioChunk,
    AudioFormat,
    Interruption,
    LiveConversation,
    UserTranscript,
)

AGENT_ID = "agent_1"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with ConvAIClient() as app.state.convai:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(Path(__file__).with_suffix(".html"))


@app.websocket("/talk")
async def connect(browser: WebSocket) -> None:
    await browser.accept()
    conversations = browser.app.state.convai.conversations
    try:
        async with conversations.connect(AGENT_ID) as live, asyncio.TaskGroup() as both:
            listening = both.create_task(forward_user(browser, live))
            await forward_agent(browser, live)
            listening.cancel()
        await browser.close()
    except* WebSocketDisconnect:
        pass  # the user has left


async def forward_user(browser: WebSocket, live: LiveConversation) -> None:
    with suppress(ConversationClosedError):  # the agent has hung up
        while True:
            audio = await browser.receive_bytes()
            await live.send_audio(audio, when_full="drop_oldest")


async def forward_agent(browser: WebSocket, live: LiveConversation) -> None:
    input_rate = AudioFormat.parse(live.input_format).rate
    output_rate = AudioFormat.parse(live.output_format).rate
    await browser.send_json({"inputRate": input_rate, "outputRate": output_rate})
    async for event in live:
        match event:
            case AudioChunk(data=audio):
                await browser.send_bytes(audio)
            case Interruption():
                await browser.send_json({"interrupted": True})
            case AgentResponse(text=text):
                await browser.send_json({"role": "agent", "text": text})
            case UserTranscript(text=text):
                await browser.send_json({"role": "user", "text": text})
            case _:
                pass
