"""Questions and whole replies."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from virtual_time import in_virtual_time

from convai_async import (
    ConvAIClient,
    ConversationClosedError,
    InvalidArgumentError,
    ReplyTimeoutError,
    ResponseTooLargeError,
)
from convai_async.live import AgentResponse, Reply
from convai_async.testing import FakeConvAI
from convai_async.testing.live import Turn, faults
from convai_async.testing.live.audio import FORMATS, build_tone

WITHOUT_COMPLETE = ("audio", "interruption", "agent_response", "agent_response_correction", "agent_tool_response")


async def test_reply_has_its_text_tools_and_latency(client: ConvAIClient, fake: FakeConvAI) -> None:
    async def reply(turn: Turn) -> None:
        await turn.say("One moment. ")
        order = await turn.call_tool("look", {"number": 7})
        await turn.say(f"It is {order.result}.")

    fake.live.add_agent("agent_1", reply=reply, text_only=True)
    async with client.conversations.connect("agent_1", tools={"look": lambda number: "on its way"}) as live:
        answer = await live.ask("Where is my order?")
        assert answer.text == "One moment.\nIt is on its way."
        assert [call.parameters for call in answer.tool_calls] == [{"number": 7}]
        assert answer.audio == b""
        assert 0 < answer.latency_secs < 5
        assert [event.text for event in answer.events if isinstance(event, AgentResponse)] == [
            "One moment. ",
            "It is on its way.",
        ]
        assert repr(answer).startswith("Reply(text='One moment.\\nIt is on its way.', audio=<0 bytes>, tool_calls=(")
        both = await asyncio.gather(live.ask("A"), live.ask("B"))
        assert [each.text for each in both] == ["One moment.\nIt is on its way."] * 2


@in_virtual_time
async def test_first_message_is_not_the_reply() -> None:
    async def wait(_: object) -> None:
        await asyncio.sleep(0.5)

    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        for first in ("Hello!", ""):
            for events in (("agent_response",), ("agent_chat_response_part", "agent_response")):
                fake.live.add_agent(
                    "agent_1",
                    first_message=first,
                    text_only=True,
                    after_metadata=wait,
                    client_events=[*events, "agent_response_complete"],
                )
                async with client.conversations.connect("agent_1", authorization="none") as live:
                    assert (await live.ask("Hi")).text == "You said: Hi"


async def test_rest_of_an_earlier_turn_is_not_part_of_the_reply(client: ConvAIClient, fake: FakeConvAI) -> None:
    def part(event_id: int, text: str) -> dict[str, Any]:
        payload = {"text": text, "type": "delta", "event_id": event_id}
        return {"type": "agent_chat_response_part", "text_response_part": payload}

    def response(event_id: int, text: str) -> dict[str, Any]:
        payload = {"agent_response": text, "event_id": event_id}
        return {"type": "agent_response", "agent_response_event": payload}

    def audio(event_id: int, data: str) -> dict[str, Any]:
        return {"type": "audio", "audio_event": {"audio_base_64": data, "event_id": event_id}}

    async def begin(conversation: Any) -> None:
        for event in (part(1, "Hel"), audio(1, "AAAA")):
            await conversation.write(event)

    async def reply(turn: Turn) -> None:
        correction = {"original_agent_response": "Hello!", "corrected_agent_response": "Hel", "event_id": 1}
        for event in (
            part(1, "lo!"),
            response(1, "Hello!"),
            audio(1, "BBBB"),
            {"type": "agent_response_correction", "agent_response_correction_event": correction},
            response(2, "Yes and no."),
            audio(2, "CCCC"),
            {"type": "interruption", "interruption_event": {"event_id": 3}},
            {
                "type": "agent_response_correction",
                "agent_response_correction_event": {
                    "original_agent_response": "Yes and no. ",
                    "corrected_agent_response": "Yes",
                },
            },
            audio(3, "DDDD"),
        ):
            await turn.send(event)

    fake.live.add_agent("agent_1", first_message="", after_metadata=begin, reply=reply)
    async with client.conversations.connect("agent_1") as live:
        answer = await live.ask("Hi")
    assert answer.text == "Yes"
    assert answer.audio == b"\x0c\x30\xc3", "the interruption makes the audio of its reply stale"


async def test_reply_larger_than_max_buffered_bytes_raises_and_the_conversation_continues(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    speech = base64.b64encode(bytes(6_000)).decode()

    async def reply(turn: Turn) -> str | None:
        if turn.text == "Short":
            return "Yes."
        for _ in range(20):
            await turn.send({"type": "audio", "audio_event": {"audio_base_64": speech, "event_id": turn.event_id}})
        return "A long story."

    fake.live.add_agent("agent_1", reply=reply)
    async with client.conversations.connect("agent_1", max_buffered_bytes=100_000) as live:
        with pytest.raises(ResponseTooLargeError, match=r"larger than 100,000 bytes; the conversation"):
            await live.ask("Long", timeout=None)
        assert (await live.ask("Short")).text == "Yes."
    async with client.conversations.connect("agent_1", max_buffered_bytes=1_000_000) as live:
        assert len((await live.ask("Long")).audio) > 120_000


async def test_parts_are_the_text_if_there_is_no_response(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", client_events=["agent_chat_response_part", "agent_response_complete"])
    async with client.conversations.connect("agent_1") as live:
        assert (await live.ask("Hi there", timeout=None)).text == "You said: Hi there"


@in_virtual_time
async def test_without_the_complete_event_a_reply_ends_when_it_is_quiet() -> None:
    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        slow = asyncio.Event()

        async def reply(turn: Turn) -> None:
            await turn.say("One moment.")
            await turn.send(
                {"type": "agent_tool_request", "agent_tool_request": {"tool_name": "x", "tool_call_id": "a"}}
            )
            await asyncio.sleep(5)
            await turn.send(
                {"type": "agent_tool_response", "agent_tool_response": {"tool_name": "x", "tool_call_id": "a"}}
            )
            await asyncio.sleep(0.4)
            await turn.say("Found it.")
            await slow.wait()

        fake.live.add_agent(
            "agent_1", reply=reply, text_only=True, first_message="", client_events=WITHOUT_COMPLETE, ping_interval=1e6
        )
        async with client.conversations.connect("agent_1", authorization="none") as live:
            clock = asyncio.get_running_loop().time
            started = clock()
            answer = await live.ask("Go", quiet=2)
            assert answer.text == "One moment.\nFound it."
            assert 7 < clock() - started < 11


@in_virtual_time
async def test_reply_that_does_not_come_times_out_and_the_conversation_continues() -> None:
    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:

        async def reply(turn: Turn) -> str:
            if turn.text == "Sleep":
                await asyncio.Event().wait()
            return "Yes."

        fake.live.add_agent("agent_1", reply=reply, text_only=True, idle_timeout=1e6)
        async with client.conversations.connect("agent_1", authorization="none") as live:
            with pytest.raises(ReplyTimeoutError, match="after 20 s; the conversation continues") as caught:
                await live.ask("Sleep", timeout=20)
            assert isinstance(caught.value, TimeoutError)
            assert (await live.ask("Are you there?")).text == "Yes."


@in_virtual_time
async def test_reply_that_arrives_while_the_process_is_stopped_is_whole() -> None:
    async def reply(turn: Turn) -> None:
        await turn.say("One.")
        loop.call_later(0.2, stop)
        await asyncio.sleep(0.6)
        await turn.say("Two.")

    def stop() -> None:
        loop.now += 10

    loop: Any = asyncio.get_running_loop()
    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        fake.live.add_agent(
            "agent_1", reply=reply, text_only=True, first_message="", client_events=WITHOUT_COMPLETE, ping_interval=1e6
        )
        async with client.conversations.connect("agent_1", authorization="none") as live:
            assert (await live.ask("Count")).text == "One.\nTwo."


@pytest.mark.parametrize("says_goodbye", [True, False])
async def test_conversation_that_ends_gives_its_reply_or_an_error(
    says_goodbye: bool, client: ConvAIClient, fake: FakeConvAI
) -> None:
    async def reply(turn: Turn) -> None:
        if says_goodbye:
            await turn.say("Goodbye.")
        await turn.end_call()

    fake.live.add_agent("agent_1", reply=reply, text_only=True)
    async with client.conversations.connect("agent_1") as live:
        if says_goodbye:
            assert (await live.ask("Bye")).text == "Goodbye."
        with pytest.raises(ConversationClosedError, match="the agent ended it"):
            await live.ask("Bye")


async def test_lost_connection_fails_the_question(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", text_only=True, client_events=["agent_response"])
    fake.live.faults.add(faults.drop(), event="agent_response", skip=1)
    async with client.conversations.connect("agent_1") as live:
        with pytest.raises(ConversationClosedError, match="the connection was lost"):
            await live.ask("Hi")


@pytest.mark.parametrize(
    ("question", "options"), [("", {}), (b"abc", {}), ("Hi", {"timeout": 0}), ("Hi", {"quiet": -1}), (5, {})]
)
async def test_invalid_question_is_refused(
    question: Any, options: dict[str, Any], client: ConvAIClient, fake: FakeConvAI
) -> None:
    async with client.conversations.connect("agent_1") as live:
        with pytest.raises(InvalidArgumentError):
            await live.ask(question, **options)


@in_virtual_time
async def test_spoken_question_is_followed_by_silence_until_the_reply() -> None:
    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        fake.live.add_agent(
            "agent_1",
            input_format="ulaw_8000",
            output_format="ulaw_8000",
            transcribe=lambda _: "my order",
            ping_interval=1,
        )
        async with client.conversations.connect("agent_1", authorization="none") as live:
            spoken = build_tone(FORMATS["ulaw_8000"], 1.0)
            answer = await live.ask(spoken, timeout=10)
            assert answer.text == "You said: my order"
            assert answer.user_transcript == "my order"
            assert len(answer.audio) == 8000 * 0.04 * len(answer.text)
            assert 0.1 < answer.latency_secs < 5
            held = fake.live[live.conversation_id]
            assert bytes(held.audio).startswith(spoken)
            silence = bytes(held.audio)[len(spoken) :]
            assert set(silence) == {0xFF}
            heard = len(held.audio)
            await asyncio.sleep(1)
            assert len(held.audio) == heard, "no silence after the reply"


async def test_silence_ends_with_the_conversation(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", first_message="", text_only=False)
    fake.live.faults.add(faults.drop(), event="ping", skip=1)
    fake.live.add_agent("agent_1", ping_interval=0.3)
    async with client.conversations.connect("agent_1") as live:
        with pytest.raises(ConversationClosedError):
            await live.ask(bytes(640), timeout=20)


def test_reply_is_a_value() -> None:
    assert Reply(text="a", latency_secs=1.0) == Reply(text="a", latency_secs=1.0)


async def test_audio_and_end_of_the_first_message_are_not_part_of_the_reply(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    def build(name: str, event_id: int, **fields: Any) -> dict[str, Any]:
        return {"type": name, f"{name}_event": {"event_id": event_id, **fields}}

    async def begin(conversation: Any) -> None:
        await conversation.write(build("agent_response", 1, agent_response="Hello!"))

    async def reply(turn: Turn) -> None:
        for event in (
            build("audio", 1, audio_base_64="AAAA"),
            build("agent_response_complete", 1),
            build("audio", 2, audio_base_64="BBBB"),
            build("agent_response_complete", 1),
            build("agent_response", 2, agent_response="Yes."),
            build("agent_response_complete", 2),
        ):
            await turn.send(event)

    fake.live.add_agent("agent_1", first_message="", after_metadata=begin, reply=reply)
    async with client.conversations.connect("agent_1") as live:
        answer = await live.ask("Hi")
    assert (answer.text, answer.audio) == ("Yes.", b"\x04\x10\x41")
