"""The documentation's bridges connect phones and browsers with an agent, and leave nothing behind."""

from __future__ import annotations

import asyncio
import importlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from documentation import DOCS
from uvicorn_server import served_by_uvicorn

from convai_async.testing.live.audio import FORMATS, build_tone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType

    from convai_async.testing import FakeConvAI
    from convai_async.testing.live import Turn

ULAW = FORMATS["ulaw_8000"]
FRAME = 160
"""The bytes of 20 ms of mu-law, as Twilio sends them."""
SILENCE = b"\xff" * int(ULAW.rate * 0.7)
GOODBYE = build_tone(ULAW, 0.3)

pytest.importorskip("websockets")  # without it, uvicorn serves no WebSockets


@pytest.fixture
def load_file(key: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module of ``docs/examples``."""
    monkeypatch.syspath_prepend(str(DOCS / "examples"))
    return importlib.import_module


async def say_goodbye(turn: Turn) -> None:
    """Interrupt, speak, and end the conversation in the way that the length of the user's speech stands for."""
    speech = turn.user.audio if turn.user else b""
    await turn.say("One moment, please.")
    await turn.send({"type": "interruption", "interruption_event": {"event_id": turn.event_id}})
    await turn.say("Goodbye.", audio=GOODBYE)
    match len(speech) // FRAME:
        case 5:
            await turn.end_call()
        case 6:
            turn.conversation.transport.abort()
        case _:
            await asyncio.Event().wait()


class Phone:
    """A call that Twilio streams.

    Args:
        socket: The WebSocket to the bridge.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard = b""
        self.cleared = 0

    async def send(self, event: str, **content: Any) -> None:
        await self.socket.send_json({"event": event, "streamSid": "MZ1", **content})

    async def start(self) -> None:
        await self.socket.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self.send("start", start={"streamSid": "MZ1", "callSid": "CA1"})

    async def speak(self, frames: int) -> None:
        """Speak for so many frames of 20 ms, and be silent."""
        audio = build_tone(ULAW, frames * 0.02) + SILENCE
        for start in range(0, len(audio), FRAME):
            payload = b64encode(audio[start : start + FRAME]).decode()
            await self.send("media", media={"track": "inbound", "payload": payload})

    async def listen(self) -> AsyncIterator[str]:
        """Yield what the bridge sends, and play its audio, until it hangs up."""
        async for message in self.socket:
            event = message.json()
            assert event["streamSid"] == "MZ1"
            match event["event"]:
                case "media":
                    self.heard += b64decode(event["media"]["payload"])
                case "clear":
                    self.heard = b""
                    self.cleared += 1
                case "mark":
                    await self.speak(1)
                    await self.send("mark", mark=event["mark"])
            yield event["event"]

    def abort(self) -> None:
        """End the connection without a close frame."""
        transport = self.socket._response.connection.transport  # type: ignore[union-attr]
        transport.abort()  # type: ignore[union-attr]


async def call_by_phone(web: aiohttp.ClientSession, number: int) -> None:
    """Call, and end the call in one of five ways."""
    kind = number % 5
    async with web.ws_connect("/calls/audio") as socket:
        phone = Phone(socket)
        if kind == 4:
            return
        await phone.start()
        await phone.speak(5 + kind)
        async for event in phone.listen():
            if phone.heard == GOODBYE and event == "media" and kind == 2:
                await phone.send("stop")
            if phone.heard == GOODBYE and event == "media" and kind == 3:
                phone.abort()
        assert phone.heard == GOODBYE
        assert phone.cleared == 1
        assert kind not in {0, 1} or socket.close_code == 1000


async def test_fifty_phone_calls_end_and_leave_nothing_behind(
    load_file: Callable[[str], ModuleType], at_home: FakeConvAI, caplog: pytest.LogCaptureFixture
) -> None:
    at_home.live.add_agent(
        "agent_1", reply=say_goodbye, input_format="ulaw_8000", output_format="ulaw_8000", first_message=""
    )
    async with served_by_uvicorn(load_file("bridge_phone").app) as url, aiohttp.ClientSession(url) as web:
        async with asyncio.timeout(30):
            await call_by_phone(web, 0)
            tasks = len(asyncio.all_tasks())
            await asyncio.gather(*[call_by_phone(web, number) for number in range(50)])
            while len(asyncio.all_tasks()) > tasks:
                await asyncio.sleep(0)
    assert len(at_home.live.conversations) == 41
    assert all(each.closed and each.transport.is_closing() for each in at_home.live.conversations)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
