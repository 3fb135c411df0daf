"""A live conversation with a service that breaks the rules of WebSockets, reads nothing, or sends floods."""

from __future__ import annotations

import asyncio
import resource
import struct
from typing import TYPE_CHECKING

import aiohttp
import pytest
from packaging.version import Version
from virtual_time import in_virtual_time, now

from convai_async import ConvAIClient
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.live import LiveConversation
    from convai_async.testing.live import FakeConversation

PING = b"\x89\x00"


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=2, quirks=False) as service:
        service.live.add_agent("agent_1", text_only=True)
        yield service


@pytest.fixture
async def client(fake: FakeConvAI) -> AsyncIterator[ConvAIClient]:
    async with ConvAIClient(fake.api_key, base_url=fake.url) as opened:
        yield opened


SINCE_AIOHTTP_3_14 = pytest.mark.skipif(
    Version(aiohttp.__version__) < Version("3.14"), reason="aiohttp 3.13 checks the header of a frame less strictly"
)


def build_frame(opcode: int, payload: bytes, *, length: int | None = None) -> bytes:
    """Return a frame, whose header can give another length."""
    return bytes((opcode, 127)) + struct.pack(">Q", len(payload) if length is None else length) + payload


def build_close_frame(payload: bytes) -> bytes:
    return bytes((0x88, len(payload))) + payload


async def read_to_end(live: LiveConversation) -> tuple[int, str]:
    """Read the events, and return who ended the conversation."""
    async with asyncio.timeout(60):
        async for _ in live:
            pass
    assert live.closed is not None
    assert type(live.closed.code) is int
    return live.closed.code, live.closed.ended_by


@pytest.mark.parametrize(
    ("content", "end"),
    [
        (build_close_frame(b""), (1005, "service")),
        (build_close_frame(b"\x03"), (1002, "service")),
        (build_close_frame(struct.pack(">H", 999)), (1002, "service")),
        (build_close_frame(struct.pack(">H", 1000) + b"\xff"), (1007, "service")),
        (build_close_frame(struct.pack(">H", 4999) + b"x"), (4999, "service")),
        (bytes((0x81, 0x80 | 2)) + b"\0\0\0\0{}" + build_close_frame(struct.pack(">H", 1000)), (1000, "agent")),
        (build_frame(0x83, b"{}"), (1002, "service")),
        pytest.param(build_frame(0xC1, b"compressed"), (1002, "service"), marks=SINCE_AIOHTTP_3_14),
        (build_frame(0x81, b"\xff\xfe"), (1007, "service")),
        (build_frame(0x80, b"continues nothing"), (1002, "service")),
        pytest.param(build_frame(0x81, b"", length=16 * 1024 * 1024 + 1), (1009, "service"), marks=SINCE_AIOHTTP_3_14),
        pytest.param(build_frame(0x81, b"", length=2**63), (1009, "service"), marks=SINCE_AIOHTTP_3_14),
    ],
)
async def test_frame_that_is_not_allowed_ends_the_conversation_at_once(
    content: bytes, end: tuple[int, str], client: ConvAIClient, fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async._transport.websocket._CLOSE_TIMEOUT_SECS", 3600)  # for a second close frame
    async with client.conversations.connect("agent_1") as live:
        held = fake.live[live.conversation_id]
        held.write_raw(content)
        held.mute()
        assert await read_to_end(live) == end


async def test_flood_of_pings_delays_neither_other_tasks_nor_the_next_event(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    steps = 0

    async def step() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    async with client.conversations.connect("agent_1") as live:
        held = fake.live[live.conversation_id]
        held.transport.pause_reading()
        stepping = asyncio.create_task(step())
        held.write_raw(PING * 20_000 + build_close_frame(struct.pack(">H", 1000)))
        assert await read_to_end(live) == (1000, "agent")
        stepping.cancel()
    assert steps > 10_000


async def speak_until_full(live: LiveConversation) -> None:
    """Send audio until nothing more is accepted."""
    try:
        while True:
            async with asyncio.timeout(1):
                await live.send_audio(bytes(32_000))
    except TimeoutError:
        pass


async def keep_pinging(held: FakeConversation) -> None:
    while True:
        held.write_raw(PING)
        await asyncio.sleep(1)


@in_virtual_time
async def test_service_that_sends_but_does_not_read_is_left_after_30_seconds() -> None:
    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        fake.live.add_agent("agent_1", text_only=True)
        async with client.conversations.connect("agent_1", authorization="none") as live:
            held = fake.live[live.conversation_id]
            held.transport.pause_reading()
            pinging = asyncio.create_task(keep_pinging(held))
            await speak_until_full(live)
            transport = live._connection._socket._transport
            assert transport is not None
            assert transport.get_write_buffer_size() > 0
            started = now()
            async for _ in live:
                pass
            pinging.cancel()
            assert 20 <= now() - started <= 32
            assert live.closed is not None
            assert (live.closed.code, live.closed.ended_by) == (1006, "connection")
            assert live.closed.reason == "the service did not receive anything"


async def test_connection_whose_buffer_is_full_is_closed_with_the_conversation(
    client: ConvAIClient, fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.live._connection._CLOSE_SECS", 0.05)
    async with client.conversations.connect("agent_1") as live:
        fake.live[live.conversation_id].mute()
        await speak_until_full(live)
        transport = live._connection._socket._transport
        assert transport is not None
    await asyncio.sleep(0)
    assert transport.get_write_buffer_size() == 0
    assert transport.get_extra_info("socket").fileno() == -1


async def test_send_whose_time_is_over_although_it_was_sent_does_not_end_the_conversation(
    client: ConvAIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client.conversations.connect("agent_1") as live:
        monkeypatch.setattr("convai_async._transport.websocket._SEND_TIMEOUT_SECS", 0.001)
        await live._connection._socket._limit(asyncio.sleep(60))
        monkeypatch.undo()
        assert (await live.ask("Hi")).text == "You said: Hi"


async def test_largest_frame_takes_bounded_memory(client: ConvAIClient, fake: FakeConvAI) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with client.conversations.connect("agent_1") as live:
        held = fake.live[live.conversation_id]
        held.write_raw(build_frame(0x81, b"[" + b"1," * (7 * 1024 * 1024) + b"1]"))
        assert (await live.ask("Hi", timeout=60)).text == "You said: Hi"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024
