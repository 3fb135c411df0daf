"""A slow program or network costs a bounded amount of memory, and delays no pong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import ResponseTooLargeError
from convai_async.live import AudioChunk, Interruption
from convai_async.live._queues import Inbox, Outbox
from convai_async.live.events import Event, VADScore
from convai_async.testing.live import faults

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI
    from convai_async.testing.live import Turn


def chunk(number: int) -> AudioChunk:
    return AudioChunk(data=b"x", event_id=number)


async def take(inbox: Inbox) -> list[object]:
    inbox.end()
    events: list[object] = []
    while (event := await inbox.get_event()) is not None:
        events.append(event.event_id if isinstance(event, AudioChunk) else event)
    return events


async def test_full_inbox_drops_the_oldest_audio_and_then_the_oldest_event() -> None:
    inbox = Inbox(30)
    other: list[Event] = [VADScore(vad_score=score) for score in (0.1, 0.2, 0.3, 0.4)]
    for event in (other[0], chunk(1), other[1], chunk(2)):
        inbox.put(event, 10)
    assert inbox.dropped == 1
    inbox.put(other[2], 10)
    inbox.put(other[3], 10)
    assert inbox.dropped == 3
    assert await take(inbox) == other[1:]


async def test_inbox_holds_one_event_of_any_size() -> None:
    inbox = Inbox(10)
    inbox.put(chunk(1), 5)
    inbox.put(chunk(2), 1000)
    assert await take(inbox) == [2]


async def test_events_stay_in_order_until_the_audio_is_read_apart() -> None:
    inbox = Inbox(1000)
    for number in range(4):
        inbox.put(chunk(number), 1)
        inbox.put(Interruption(event_id="text"), 1)
    assert await inbox.get_event() == chunk(0)
    inbox.is_audio_separate = True
    assert await inbox.get_audio() == chunk(1)
    assert await take(inbox) == [Interruption(event_id="text")] * 4


async def test_several_tasks_can_wait_for_the_same_inbox() -> None:
    inbox = Inbox(1000)
    waiting = [asyncio.create_task(inbox.get_event()) for _ in range(3)]
    await asyncio.sleep(0)
    inbox.put(chunk(1), 1)
    inbox.end()
    assert sorted(map(repr, await asyncio.gather(*waiting))) == sorted(map(repr, [chunk(1), None, None]))


async def test_pong_overtakes_messages() -> None:
    outbox = Outbox()
    await outbox.put("a")
    outbox.put_pong("pong")
    await outbox.put("b")
    assert [await outbox.get() for _ in range(3)] == ["pong", "a", "b"]


async def test_full_outbox_waits_or_drops_the_oldest_audio() -> None:
    outbox = Outbox()
    outbox.max_bytes = 30
    for text in ("message...", "audio 1...", "audio 2..."):
        await outbox.put(text, is_audio=text.startswith("audio"))
    await outbox.put("audio 3...", is_audio=True, drop_oldest=True)
    waiting = asyncio.create_task(outbox.put("last......"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await outbox.get() == "message..."
    assert await waiting
    assert [await outbox.get() for _ in range(3)] == ["audio 2...", "audio 3...", "last......"]


async def test_outbox_that_ends_wakes_those_that_wait() -> None:
    outbox = Outbox()
    outbox.max_bytes = 5
    await outbox.put("x" * 100)
    waiting = asyncio.create_task(outbox.put("y"))
    flushing = asyncio.create_task(outbox.flush())
    await asyncio.sleep(0)
    outbox.end()
    assert not await waiting
    await flushing


async def test_unread_speech_of_hours_takes_bounded_memory_and_delays_no_pong(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    async def reply(turn: Turn) -> str:
        for _ in range(40 if turn.text == "Go" else 0):
            await turn.say("x", audio=bytes(64_000))
        return "Done."

    fake.live.add_agent("agent_1", reply=reply, ping_interval=0.005)
    async with client.conversations.connect("agent_1", max_buffered_bytes=100_000) as live:
        with pytest.raises(ResponseTooLargeError):
            await live.ask("Go")
        answer = await live.ask("Stop")
        assert answer.text.endswith("Done.")
        assert live.dropped_events > 200
        assert live._connection.inbox._bytes <= 100_000
        held = fake.live[live.conversation_id]
        await held.wait_until(lambda each: each.pings[-1].latency is not None and len(each.pings) > 2)


async def test_a_burst_of_10_000_events_arrives_whole_and_in_order(client: ConvAIClient, fake: FakeConvAI) -> None:
    burst = [{"type": "vad_score", "vad_score_event": {"vad_score": number}} for number in range(10_000)]
    fake.live.faults.add(faults.insert(*burst), event="agent_response")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async with client.conversations.connect("agent_1") as live:
        ticking = asyncio.create_task(tick())
        scores: list[Any] = []
        async for event in live:
            if isinstance(event, VADScore):
                scores.append(event.vad_score)
            if len(scores) == 10_000:
                break
        ticking.cancel()
    assert scores == list(range(10_000))
    assert ticks > 100, "other tasks ran meanwhile"
    assert live.dropped_events == 0


async def test_service_that_does_not_read_makes_the_client_wait_or_drop_audio(
    client: ConvAIClient, fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.live._connection._CLOSE_SECS", 0.05)
    async with client.conversations.connect("agent_1") as live:
        fake.live[live.conversation_id].mute()

        async def speak() -> None:
            while True:
                await live.send_audio(bytes(32_000))

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await speak()
        outbox = live._connection.outbox
        full = outbox._bytes
        assert full <= outbox.max_bytes
        for _ in range(50):
            await live.send_audio(bytes(32_000), when_full="drop_oldest")
        assert outbox._bytes <= outbox.max_bytes
        assert len(outbox._messages) < 50
