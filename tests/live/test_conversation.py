"""A live conversation: events, messages, audio and its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from virtual_time import in_virtual_time

from convai_async import (
    ClientClosedError,
    ConvAIClient,
    ConversationClosedError,
    InvalidArgumentError,
)
from convai_async.live import (
    AgentResponse,
    AudioChunk,
    ClientToolCall,
    Interruption,
    UnknownEvent,
)
from convai_async.live.events import AgentResponsePart, ConversationStarted, ErrorEvent
from convai_async.live.messages import UserMessage
from convai_async.testing import FakeConvAI
from convai_async.testing.live import Turn, faults

if TYPE_CHECKING:
    from convai_async.live import LiveConversation


async def read_until(live: LiveConversation, text: str) -> list[Any]:
    """Return the events up to the agent's response with this text."""
    events = []
    async for event in live:
        events.append(event)
        if isinstance(event, AgentResponse) and event.text == text:
            return events
    raise AssertionError(f"no {text!r} in {events}")


async def test_text_conversation_from_start_to_end(client: ConvAIClient, fake: FakeConvAI) -> None:
    async with client.conversations.connect("agent_1", dynamic_variables={"name": "Ann"}, user_id="u") as live:
        assert live.conversation_id.startswith("conv_")
        assert (live.input_format, live.output_format) == ("pcm_16000", "pcm_16000")
        await live.send_text("Where is my order?")
        events = await read_until(live, "You said: Where is my order?")
        assert isinstance(events[0], ConversationStarted)
        assert [each.text for each in events if isinstance(each, AgentResponse)] == [
            "Hello! How can I help you?",
            "You said: Where is my order?",
        ]
        assert "".join(each.text for each in events if isinstance(each, AgentResponsePart)).endswith("my order?")
        assert live.closed is None
        assert repr(live) == f"<LiveConversation {live.conversation_id} open>"
    assert live.closed is not None
    assert (live.closed.code, live.closed.ended_by, live.closed.error) == (1000, "client", None)
    assert repr(live) == f"<LiveConversation {live.conversation_id} closed with code 1000>"
    held = fake.live[live.conversation_id]
    assert await held.wait_until(lambda each: each.closed) == (1000, "User ended conversation", "client")
    assert held.initiation == {
        "type": "conversation_initiation_client_data",
        "dynamic_variables": {"name": "Ann"},
        "user_id": "u",
    }
    details = await client.conversations.get(live.conversation_id)
    assert details.transcript[1].message == "Where is my order?"


async def test_every_message_reaches_the_service(client: ConvAIClient, fake: FakeConvAI) -> None:
    async with client.conversations.connect("agent_1", text_only=True) as live:
        uploaded = await client.conversations.files.create(live.conversation_id, b"%PDF-1.7", filename="a.pdf")
        await live.send_activity()
        await live.send_feedback(1, "like")
        await live.send_feedback("evt_1", None)
        await live.send_context("It rains.")
        await live.send_context("It snows.", context_id="weather")
        await live.send_files(uploaded.file_id, text="See this")
        await live.send_files([uploaded.file_id])
        await live.send(UserMessage(text=None))
        await live.send_audio(bytes(320))
    file = {"type": "file_input", "file_id": uploaded.file_id}
    received = [each for each in fake.live[live.conversation_id].received if each["type"] != "pong"]
    assert received == [
        {
            "type": "conversation_initiation_client_data",
            "conversation_config_override": {"conversation": {"text_only": True}},
        },
        {"type": "user_activity"},
        {"type": "feedback", "event_id": 1, "score": "like"},
        {"type": "feedback", "event_id": "evt_1", "score": None},
        {"type": "contextual_update", "text": "It rains."},
        {"type": "contextual_update", "text": "It snows.", "context_id": "weather"},
        {
            "type": "multimodal_message",
            "text": {"type": "user_message", "text": "See this"},
            "file": file,
            "files": [file],
        },
        {"type": "multimodal_message", "file": file, "files": [file]},
        {"type": "user_message", "text": None},
    ]
    assert fake.live[live.conversation_id].audio == bytes(320)


async def test_invalid_messages_are_refused(client: ConvAIClient, fake: FakeConvAI) -> None:
    async with client.conversations.connect("agent_1") as live:
        with pytest.raises(InvalidArgumentError, match="text: must not be empty"):
            await live.send_text(" ")
        with pytest.raises(InvalidArgumentError, match="file_ids: must have at least one"):
            await live.send_files([])
        with pytest.raises(InvalidArgumentError, match="format: is 'pcm_44100', but the agent listens to 'pcm_16000'"):
            await live.send_audio(bytes(4), format="pcm_44100")
        with pytest.raises(InvalidArgumentError, match="has 3 bytes"):
            await live.send_audio(bytes(3))
        with pytest.raises(InvalidArgumentError, match="must be bytes, not str"):
            await live.send_audio("audio")  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match="when_full: must be 'wait' or 'drop_oldest'"):
            await live.send_audio(bytes(4), when_full="drop")  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match="cannot be encoded as JSON"):
            await live.send_tool_result(ClientToolCall(tool_call_id="a"), object())


@pytest.mark.parametrize("ping_ms", ["missing", None, 51])
async def test_ping_is_answered_while_the_program_does_not_read(
    ping_ms: object, client: ConvAIClient, fake: FakeConvAI
) -> None:
    def edit(event: dict[str, Any]) -> dict[str, Any]:
        event["ping_event"].pop("ping_ms")
        return event if ping_ms == "missing" else event | {"ping_event": event["ping_event"] | {"ping_ms": ping_ms}}

    fake.live.add_agent("agent_1", ping_interval=0.001, text_only=True)
    fake.live.faults.add(faults.change(edit), event="ping", times=None)
    async with client.conversations.connect("agent_1") as live:
        held = fake.live[live.conversation_id]
        await held.wait_until(lambda each: len([ping for ping in each.pings if ping.latency is not None]) > 3)
        assert isinstance(await anext(live), ConversationStarted)


async def test_ping_without_an_id_is_not_answered(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.live.faults.add(faults.insert({"type": "ping", "ping_event": {}}), event="agent_response")
    async with client.conversations.connect("agent_1") as live:
        await live.ask("Hi")
    assert [each.get("event_id") for each in fake.live[live.conversation_id].received if each["type"] == "pong"] == [1]


async def test_events_of_every_shape_do_not_end_the_conversation(client: ConvAIClient, fake: FakeConvAI) -> None:
    for fault in (
        faults.text("<html>"),
        faults.text("[]"),
        faults.insert({"type": "later_event"}, {"no": "type"}, {"type": "conversation_initiation_metadata"}),
        faults.binary(),
        faults.pad(5 * 1024 * 1024),
    ):
        fake.live.faults.add(fault, event="agent_chat_response_part")
    async with client.conversations.connect("agent_1") as live:
        events = await read_until(live, "Hello! How can I help you?")
        conversation_id = live.conversation_id
        assert (await live.ask("Hi")).text == "You said: Hi"
    assert live.conversation_id == conversation_id
    assert [each.tag for each in events if isinstance(each, UnknownEvent)] == [
        None, None, "later_event", None, "conversation_initiation_metadata",
    ]  # fmt: skip


async def test_a_second_metadata_event_changes_nothing(client: ConvAIClient, fake: FakeConvAI) -> None:
    second = {"conversation_id": "conv_other", "agent_output_audio_format": "ulaw_8000"}
    fake.live.faults.add(
        faults.insert({"type": "conversation_initiation_metadata", "conversation_initiation_metadata_event": second}),
        event="agent_response",
    )
    async with client.conversations.connect("agent_1") as live:
        await live.ask("Hi")
        assert live.conversation_id != "conv_other"
        assert live.output_format == "pcm_16000"


# The end


async def test_agent_that_hangs_up_ends_the_iteration(client: ConvAIClient, fake: FakeConvAI) -> None:
    async def reply(turn: Turn) -> None:
        await turn.say("Goodbye.")
        await turn.end_call("done")

    fake.live.add_agent("agent_1", reply=reply, text_only=True)
    async with client.conversations.connect("agent_1") as live:
        await live.send_text("Bye")
        texts = [event.text async for event in live if isinstance(event, AgentResponse)]
        assert texts[-1] == "Goodbye."
        assert live.closed is not None
        assert (live.closed.code, live.closed.reason, live.closed.ended_by) == (1000, "done", "agent")
        assert not live.closed.retryable
        assert [event async for event in live] == []
        with pytest.raises(ConversationClosedError, match=r"the agent ended it \(code 1000\): done") as caught:
            await live.send_text("Wait!")
        assert (caught.value.code, caught.value.conversation_id) == (1000, live.conversation_id)


@pytest.mark.parametrize(
    ("fault", "code", "error_type", "ended_by", "retryable"),
    [
        (faults.fail(1002, "llm_timeout", "slow"), 1002, "llm_timeout", "service", True),
        (faults.fail(1002, "safety_violation", "no"), 1002, "safety_violation", "service", False),
        (faults.fail(1008, "value_error", "bad"), 1008, "value_error", "service", False),
        (faults.fail(1000, "max_duration_exceeded", "long"), 1000, "max_duration_exceeded", "service", False),
        (faults.close(1011, "crash"), 1011, None, "service", True),
        (faults.close(1000), 1000, None, "agent", False),
        (faults.drop(), 1006, None, "connection", True),
        (faults.drop(end="reset"), 1006, None, "connection", True),
        (faults.cut_frame(), 1006, None, "connection", True),
        (faults.protocol_error(), 1002, None, "service", True),
    ],
)
async def test_closed_has_who_ended_it_and_whether_to_retry(
    fault: Any,
    code: int,
    error_type: str | None,
    ended_by: str,
    retryable: bool,
    client: ConvAIClient,
    fake: FakeConvAI,
) -> None:
    fake.live.faults.add(fault, event="agent_response", skip=1)
    async with client.conversations.connect("agent_1") as live:
        await live.send_text("Hi")
        async for _ in live:
            pass
        closed = live.closed
        assert closed is not None
        assert (closed.code, closed.error_type, closed.ended_by, closed.retryable) == (
            code,
            error_type,
            ended_by,
            retryable,
        )
        with pytest.raises(ConversationClosedError) as caught:
            await live.send_audio(bytes(2))
        assert (caught.value.error_type, caught.value.retryable) == (error_type, retryable)
        assert ("start a new conversation" in str(caught.value)) is retryable


async def test_error_event_of_the_client_names_the_error(client: ConvAIClient, fake: FakeConvAI) -> None:
    error = {"type": "client_error", "error_event": {"code": 1008, "error_name": "bad_frame", "message": "odd frame"}}
    fake.live.faults.add(faults.insert(error), event="agent_response", skip=1)
    fake.live.faults.add(faults.close(1008), event="agent_response_complete", skip=1)
    async with client.conversations.connect("agent_1") as live:
        await live.send_text("Hi")
        assert any([not isinstance(event, ErrorEvent) async for event in live])
        assert live.closed is not None
        assert live.closed.error_type == "bad_frame"


async def test_closing_the_client_ends_the_conversation(fake: FakeConvAI) -> None:
    client = ConvAIClient(fake.api_key, base_url=fake.url)
    async with client.conversations.connect("agent_1") as live:
        await client.close()
        async for _ in live:
            pass
        assert live.closed is not None
        assert live.closed.ended_by == "client"
        with pytest.raises(ConversationClosedError):
            await live.send_text("Hi")
    with pytest.raises(ClientClosedError):
        async with client.conversations.connect("agent_1", authorization="none"):
            pass


async def test_close_ends_the_iteration_of_another_task(client: ConvAIClient) -> None:
    async with client.conversations.connect("agent_1") as live:
        reading = asyncio.create_task(read_until(live, "never said"))
        await asyncio.sleep(0)
        await live.close()
        await live.close()
        with pytest.raises(AssertionError):
            await reading


async def test_messages_sent_before_the_end_of_the_block_arrive(client: ConvAIClient, fake: FakeConvAI) -> None:
    async with client.conversations.connect("agent_1") as live:
        for number in range(200):
            await live.send_context(f"{number}")
    assert [each["text"] for each in fake.live[live.conversation_id].received if "text" in each] == [
        f"{number}" for number in range(200)
    ]


async def test_error_of_the_program_leaves_the_block_unchanged(client: ConvAIClient, fake: FakeConvAI) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client.conversations.connect("agent_1") as live:
            raise ZeroDivisionError
    assert (await fake.live[live.conversation_id].wait_until(lambda each: each.closed)).by == "client"


@in_virtual_time
async def test_silent_connection_is_noticed_within_30_seconds() -> None:
    async with (
        FakeConvAI(conversations=2) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        fake.live.add_agent("agent_1", text_only=True, ping_interval=1e6)
        fake.live.faults.add(faults.silence(), event="agent_response", skip=1)
        async with client.conversations.connect("agent_1", authorization="none") as live:
            started = asyncio.get_running_loop().time()
            await live.send_text("Hi")
            async for _ in live:
                pass
            assert live.closed is not None
            assert (live.closed.code, live.closed.ended_by) == (1006, "connection")
            assert live.closed.reason == "the service did not answer a ping"
            assert 20 <= asyncio.get_running_loop().time() - started <= 32


async def test_silent_connection_is_noticed_in_real_time(
    client: ConvAIClient, fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async._transport.websocket._HEARTBEAT_SECS", 0.05)
    fake.live.faults.add(faults.silence(), event="agent_response", skip=1)
    async with client.conversations.connect("agent_1") as live:
        await live.send_text("Hi")
        async with asyncio.timeout(60):
            async for _ in live:
                pass
        assert live.closed is not None
        assert live.closed.ended_by == "connection"


async def test_service_that_does_not_answer_the_close_is_left(
    client: ConvAIClient, fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.live._connection._CLOSE_SECS", 0.05)
    fake.live.faults.add(faults.silence(), event="agent_response")
    async with client.conversations.connect("agent_1") as live:
        await live.send_text("Hi")
    assert live.closed is not None
    assert (live.closed.code, live.closed.ended_by) == (1000, "client")


# Audio


async def test_audio_is_sent_in_the_announced_format(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", input_format="ulaw_8000", output_format="pcm_24000")
    async with client.conversations.connect("agent_1") as live:
        assert (live.input_format, live.output_format) == ("ulaw_8000", "pcm_24000")
        await live.send_audio(bytes(range(256)) * 100, format="ulaw_8000")
        await live.send_audio(bytearray(b"\1\2\3"))
    assert fake.live[live.conversation_id].audio == bytes(range(256)) * 100 + b"\1\2\3"


async def test_audio_iteration_has_the_speech_and_the_events_have_the_rest(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    async def reply(turn: Turn) -> None:
        await turn.say("Goodbye.", audio=bytes(range(200)) * 100)
        await turn.end_call()

    fake.live.add_agent("agent_1", reply=reply, first_message="")
    async with client.conversations.connect("agent_1") as live:
        await live.send_text("Bye")
        chunks = [chunk async for chunk in live.audio()]
        assert b"".join(chunk.data for chunk in chunks) == bytes(range(200)) * 100
        assert {chunk.event_id for chunk in chunks} == {1}
        events = [event async for event in live]
    assert not any(isinstance(event, AudioChunk) for event in events)
    assert any(isinstance(event, AgentResponse) for event in events)


async def test_interruption_makes_audio_of_earlier_turns_stale_but_not_of_its_own(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    def audio(event_id: object, data: str) -> dict[str, Any]:
        return {"type": "audio", "audio_event": {"audio_base_64": data, "event_id": event_id}}

    async def reply(turn: Turn) -> None:
        for event in (
            audio(4, "AAAA"),
            audio(5, "BBBB"),
            {"type": "interruption", "interruption_event": {"event_id": 5}},
            audio(4, "CCCC"),
            audio(5, "DDDD"),
            audio("x", "EEEE"),
            audio(6, ""),
            audio(6, "FFFF"),
        ):
            await turn.send(event)
        await turn.end_call()

    fake.live.add_agent("agent_1", reply=reply, first_message="")
    async with client.conversations.connect("agent_1") as live:
        await live.send_text("Stop")
        await fake.live[live.conversation_id].wait_until(lambda each: each.closed)
        events = [event async for event in live]
        heard = [event.event_id for event in events if isinstance(event, AudioChunk)]
        assert heard == [4, 5, 5, "x", 6, 6], "the audio before the interruption is not left out, for its order"
    async with client.conversations.connect("agent_1") as live:
        speech = live.audio()
        await live.send_text("Stop")
        await fake.live[live.conversation_id].wait_until(lambda each: each.closed)
        assert [chunk.event_id async for chunk in speech] == [5, 5, "x", 6]
        assert [event.event_id async for event in live if isinstance(event, Interruption)] == [5]


@in_virtual_time
async def test_paced_audio_takes_as_long_as_it_is() -> None:
    async with (
        FakeConvAI(conversations=2) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        fake.live.add_agent("agent_1", first_message="", idle_timeout=1e6)
        async with client.conversations.connect("agent_1", authorization="none") as live:
            clock = asyncio.get_running_loop().time
            started = clock()
            await live.send_audio(bytes(32_000), paced=True)
            await live.send_audio(bytes(16_000), paced=True)
            assert 1.49 < clock() - started < 1.6
            await live.send_audio(bytes(64_000))
            assert clock() - started < 1.6
