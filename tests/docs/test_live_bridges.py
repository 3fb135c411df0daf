"""The documentation's bridges connect phones and browsers with an agent, and leave nothing behind."""

from __future__ import annotations

import asyncio
import importlib
from abc import abstractmethod
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from anyio.from_thread import start_blocking_portal
from browser import open_browser_page
from documentation import DOCS
from uvicorn_server import served_by_uvicorn

import convai_async._configuration
from convai_async import ConvAIClient
from convai_async.live import write_wav
from convai_async.testing import FakeConvAI
from convai_async.testing.live.audio import FORMATS, build_tone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from anyio.from_thread import BlockingPortal
    from playwright.sync_api import Page

    from convai_async.testing.live import Turn

pytest.importorskip("websockets")  # without it, uvicorn serves no WebSockets

FRAME_SECS = 0.02
SILENT_FRAMES = 35
AGENT_HANGS_UP, SERVICE_FAILS, USER_HANGS_UP, USER_IS_LOST, USER_LEAVES_AT_ONCE = range(5)


@pytest.fixture
def load_file(key: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module of ``docs/examples``."""
    monkeypatch.syspath_prepend(str(DOCS / "examples"))
    return importlib.import_module


class Caller:
    """A user's side of a call through a bridge.

    Args:
        socket: The WebSocket to the bridge.

    Attributes:
        heard: The audio that was received after the last interruption.
        interruptions: How many interruptions there were.
    """

    path: str
    audio_format: str

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard = b""
        self.interruptions = 0

    async def start(self) -> None:
        """Begin the call."""

    @abstractmethod
    async def send_audio(self, audio: bytes) -> None:
        """Send a frame of audio."""

    @abstractmethod
    async def receive(self, message: aiohttp.WSMessage) -> None:
        """Take a message of the bridge."""

    async def hang_up(self) -> None:
        """End the call."""
        await self.socket.close()

    async def speak(self, frames: int) -> None:
        """Speak for so many frames of 20 ms, and be silent."""
        tone = build_tone(FORMATS[self.audio_format], FRAME_SECS)
        silence = b"\xff" * len(tone) if self.audio_format == "ulaw_8000" else bytes(len(tone))
        for frame in [tone] * frames + [silence] * SILENT_FRAMES:
            await self.send_audio(frame)

    def abort(self) -> None:
        """End the connection without a close frame."""
        transport = self.socket._response.connection.transport  # type: ignore[union-attr]
        transport.abort()  # type: ignore[union-attr]

    @classmethod
    async def call(cls, web: aiohttp.ClientSession, kind: int) -> None:
        """Call, and check what was heard."""
        async with web.ws_connect(cls.path) as socket:
            if kind == USER_LEAVES_AT_ONCE:
                return
            caller = cls(socket)
            await caller.start()
            await caller.speak(5 + kind)
            goodbye = build_goodbye(cls.audio_format)
            async for message in socket:
                before = caller.heard
                await caller.receive(message)
                if before != caller.heard == goodbye and kind == USER_HANGS_UP:
                    await caller.hang_up()
                if before != caller.heard == goodbye and kind == USER_IS_LOST:
                    caller.abort()
            assert caller.heard == goodbye
            assert caller.interruptions == 1
            assert kind not in {AGENT_HANGS_UP, SERVICE_FAILS} or socket.close_code == 1000


class Phone(Caller):
    """A call that Twilio streams."""

    path = "/calls/audio"
    audio_format = "ulaw_8000"

    async def start(self) -> None:
        await self.socket.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self.send("start", start={"streamSid": "MZ1", "callSid": "CA1"})

    async def send(self, event: str, **content: Any) -> None:
        await self.socket.send_json({"event": event, "streamSid": "MZ1", **content})

    async def send_audio(self, audio: bytes) -> None:
        await self.send("media", media={"track": "inbound", "payload": b64encode(audio).decode()})

    async def receive(self, message: aiohttp.WSMessage) -> None:
        event = message.json()
        assert event["streamSid"] == "MZ1"
        match event["event"]:
            case "media":
                self.heard += b64decode(event["media"]["payload"])
            case "clear":
                self.heard = b""
                self.interruptions += 1
            case "mark":
                await self.speak(1)
                await self.send("mark", mark=event["mark"])

    async def hang_up(self) -> None:
        await self.send("stop")


class Browser(Caller):
    """A call from a page."""

    path = "/talk"
    audio_format = "pcm_16000"

    async def send_audio(self, audio: bytes) -> None:
        await self.socket.send_bytes(audio)

    async def receive(self, message: aiohttp.WSMessage) -> None:
        if message.type is aiohttp.WSMsgType.BINARY:
            self.heard += message.data
            await self.speak(1)
        elif message.json().get("interrupted"):
            self.heard = b""
            self.interruptions += 1


def build_goodbye(audio_format: str) -> bytes:
    return build_tone(FORMATS[audio_format], 0.3)


async def say_goodbye(turn: Turn) -> None:
    """Interrupt, speak, and end the conversation in the way that the length of the user's speech stands for."""
    assert turn.user is not None
    audio_format = turn.conversation.agent.input_format
    await turn.say("One moment, please.")
    await turn.send({"type": "interruption", "interruption_event": {"event_id": turn.event_id}})
    await turn.say("Goodbye.", audio=build_goodbye(audio_format))
    match round(FORMATS[audio_format].seconds(len(turn.user.audio)) / FRAME_SECS) - 5:
        case 0:
            await turn.end_call()
        case 1:
            turn.conversation.transport.abort()
        case _:
            await asyncio.Event().wait()


@pytest.mark.parametrize(("example", "caller"), [("bridge_phone", Phone), ("bridge_browser", Browser)])
async def test_fifty_calls_end_and_leave_nothing_behind(
    example: str,
    caller: type[Caller],
    load_file: Callable[[str], ModuleType],
    at_home: FakeConvAI,
    caplog: pytest.LogCaptureFixture,
) -> None:
    audio_format = caller.audio_format
    at_home.live.add_agent(
        "agent_1", reply=say_goodbye, input_format=audio_format, output_format=audio_format, first_message=""
    )
    async with (
        served_by_uvicorn(load_file(example).app) as url,
        aiohttp.ClientSession(url) as web,
        asyncio.timeout(60),
    ):
        await caller.call(web, AGENT_HANGS_UP)
        tasks = len(asyncio.all_tasks())
        await asyncio.gather(*[caller.call(web, number % 5) for number in range(50)])
        while len(asyncio.all_tasks()) > tasks:
            await asyncio.sleep(0)
    assert len(at_home.live.conversations) >= 41
    assert all(each.closed and each.transport.is_closing() for each in at_home.live.conversations)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_twilio_is_told_to_stream_to_the_bridge(load_file: Callable[[str], ModuleType]) -> None:
    async with (
        served_by_uvicorn(load_file("bridge_phone").app) as url,
        aiohttp.ClientSession(url) as web,
        web.post("/calls") as response,
    ):
        twiml = await response.text()
    assert f'<Stream url="{url.replace("http", "wss")}/calls/audio" />' in twiml


async def test_audio_of_the_browser_is_ignored_after_the_agent_has_hung_up(
    load_file: Callable[[str], ModuleType], at_home: FakeConvAI
) -> None:
    class Microphone:
        async def receive_bytes(self) -> bytes:
            return bytes(320)

    at_home.live.add_agent("agent_1")
    async with ConvAIClient() as client, client.conversations.connect("agent_1") as live:
        await live.close()
        await load_file("bridge_browser").forward_user(Microphone(), live)


RECORD_AUDIO = """
    window.played = [];
    window.stopped = 0;
    const { start, stop } = AudioBufferSourceNode.prototype;
    AudioBufferSourceNode.prototype.start = function (when) {
        played.push({ at: when, seconds: this.buffer.duration, sample: this.buffer.getChannelData(0)[0] });
        start.call(this, when);
    };
    window.tracks = [];
    const media = navigator.mediaDevices;
    const getUserMedia = media.getUserMedia.bind(media);
    media.getUserMedia = async function (options) {
        const stream = await getUserMedia(options);
        tracks.push(...stream.getTracks());
        return stream;
    };
    AudioBufferSourceNode.prototype.stop = function () { stopped += 1; stop.call(this); };
"""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A page whose microphone hears 0.3 seconds of speech again and again, with a pause of 0.9 seconds."""
    speech = build_tone(FORMATS["pcm_16000"], 0.3)
    write_wav(tmp_path / "speech.wav", speech + bytes(3 * len(speech)), "pcm_16000")
    with open_browser_page(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'speech.wav'}",
    ) as opened:
        opened.add_init_script(RECORD_AUDIO)
        yield opened


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    """An event loop in another thread: Playwright does not run in one."""
    with start_blocking_portal() as opened:
        yield opened


@pytest.fixture
def fake_in_thread(portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeConvAI]:
    with portal.wrap_async_context_manager(FakeConvAI(conversations=0)) as fake:
        monkeypatch.setitem(convai_async._configuration._HOSTS, "global", fake.url)
        yield fake


def test_user_talks_with_the_agent_in_chromium(
    page: Page, portal: BlockingPortal, fake_in_thread: FakeConvAI, load_file: Callable[[str], ModuleType]
) -> None:
    heard: list[float] = []

    async def reply(turn: Turn) -> None:
        assert turn.user is not None
        heard.append(FORMATS["pcm_16000"].seconds(len(turn.user.audio)))
        if len(heard) == 1:
            await turn.say("I will tell you a long story. " * 20)
            await asyncio.Event().wait()  # until the user interrupts
        await turn.say("Goodbye.", audio=b"\x00\x20" * 4000)
        await turn.end_call()

    live = fake_in_thread.live
    live.add_agent("agent_1", reply=reply, transcribe=lambda _: "Hello?", output_format="pcm_24000")
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    with portal.wrap_async_context_manager(served_by_uvicorn(load_file("bridge_browser").app)) as url:
        page.goto(url)
        page.click("text=Talk")
        page.wait_for_selector("text=agent: Goodbye.")
        page.wait_for_selector("button:text('Talk')")
        assert [each.split()[:3] for each in page.locator("li").all_inner_texts()] == [
            ["agent:", "Hello!", "How"],
            ["user:", "Hello?"],
            ["agent:", "I", "will"],
            ["user:", "Hello?"],
            ["agent:", "Goodbye."],
        ]
        assert heard == pytest.approx([0.3, 0.3], abs=0.1)
        first, second, *_, last = page.evaluate("played")
        assert second["at"] == pytest.approx(first["at"] + first["seconds"], abs=0.01)
        assert (last["seconds"], last["sample"]) == (pytest.approx(4000 / 24_000), 0.25)
        assert page.evaluate("stopped") > 0
        assert page.evaluate("tracks.map(track => track.readyState)") == ["ended"]
        page.click("text=Talk")
        page.wait_for_selector("text=agent: Hello! >> nth=1")
        page.close()
        ended = [portal.call(each.wait_until, lambda conversation: conversation.closed) for each in live.conversations]
    assert [end.by for end in ended] == ["agent", "client"]
    assert problems == []
