"""Agents of the fake service in live conversations."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest
from live_socket import INITIATION, open_socket

from convai_async.testing import FakeConvAI
from convai_async.testing.live.audio import FORMATS, SILENCE_SECONDS, build_tone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.testing.live import FakeConversation, Turn

JSON = dict[str, Any]


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=2, quirks=False) as service:
        yield service


async def test_agent_greets_and_repeats_in_the_announced_formats(fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", first_message="Hello!", input_format="ulaw_8000", output_format="pcm_24000")
    async with open_socket(fake, "agent_1") as client:
        metadata = (await client.read("conversation_initiation_metadata"))["conversation_initiation_metadata_event"]
        assert metadata["user_input_audio_format"] == "ulaw_8000"
        assert metadata["agent_output_audio_format"] == "pcm_24000"
        await client.read_reply()
        await client.say("Hi")
        await client.read_reply()
    assert [event["type"] for event in client.received[1:3]] == ["ping", "agent_chat_response_part"]
    parts = [each["text_response_part"] for each in client.received if each["type"] == "agent_chat_response_part"]
    assert [(part["type"], part["text"]) for part in parts if part["event_id"] == 2] == [
        ("start", ""),
        ("delta", "You"),
        ("delta", " said:"),
        ("delta", " Hi"),
        ("stop", ""),
    ]
    audio = [each["audio_event"] for each in client.received if each["type"] == "audio"]
    greeting = b"".join(base64.b64decode(each["audio_base_64"]) for each in audio if each["event_id"] == 1)
    assert FORMATS["pcm_24000"].seconds(len(greeting)) == pytest.approx(0.24)
    assert "".join(char for each in audio for char in each["alignment"]["chars"]) == "Hello!You said: Hi"


async def test_unknown_format_is_rejected(fake: FakeConvAI) -> None:
    with pytest.raises(ValueError, match="pcm_8000"):
        fake.live.add_agent("agent_1", output_format="mp3_44100")


async def test_text_only_conversation_has_no_audio(fake: FakeConvAI) -> None:
    override = {"conversation": {"text_only": True, "client_events": ["agent_response", "audio"]}}
    async with open_socket(fake, initiation=INITIATION | {"conversation_config_override": override}) as client:
        await client.read("agent_response")
        await client.say("Hi")
        response = await client.read("agent_response")
    assert response["agent_response_event"] == {"agent_response": "You said: Hi", "event_id": 2}
    assert client.types == ["conversation_initiation_metadata", "agent_response", "agent_response"]
    assert len(client.received) == 4  # and a ping


async def test_variables_and_overrides_change_the_first_message(fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", first_message="Hello {{name}}!")
    async with open_socket(fake, "agent_1", initiation=INITIATION | {"dynamic_variables": {"name": "Ann"}}) as client:
        response = await client.read("agent_response")
        assert response["agent_response_event"]["agent_response"] == "Hello Ann!"
    override = {"agent": {"first_message": ""}}
    async with open_socket(
        fake, "agent_1", initiation=INITIATION | {"conversation_config_override": override}
    ) as client:
        await client.say("Hi")
        assert await client.read_reply() == "You said: Hi"


@pytest.mark.parametrize(
    ("more", "error_type", "reason"),
    [
        (
            {"conversation_config_override": {"conversation": {"text_only": True}, "agent": {"language": "de"}}},
            "override_error",
            "Override for field text_only is not allowed by config.",
        ),
        ({}, "missing_dynamic_variable", "Missing required dynamic variables in first message: {'name'}"),
    ],
)
async def test_refused_conversation_gets_metadata_error_and_close(
    fake: FakeConvAI, more: JSON, error_type: str, reason: str
) -> None:
    fake.live.add_agent("agent_1", first_message="Hello {{name}}!", allowed_overrides=["language"])
    async with open_socket(fake, "agent_1", initiation=INITIATION | more) as client:
        assert await client.read_close() == (1008, reason)
    assert client.types == ["conversation_initiation_metadata", "error"]
    assert client.received[1]["error_event"]["error_type"] == error_type
    live = fake.live.conversations[0]
    assert await live.wait_until(lambda each: each.closed) == (1008, reason, "agent")


async def test_reply_calls_tools_asks_for_approval_and_hangs_up(fake: FakeConvAI) -> None:
    outcomes: list[object] = []

    async def reply(turn: Turn) -> None:
        outcomes.append(await turn.call_tool("show_page", {"page": "orders"}, expects_response=False))
        outcomes.append(await turn.call_tool("lookup_order"))
        outcomes.append(await turn.ask_approval("refund", {"amount": 5}))
        await turn.say("Goodbye.")
        await turn.end_call("All done")

    fake.live.add_agent("agent_1", first_message="", reply=reply)
    async with open_socket(fake, "agent_1") as client:
        await client.say("Hi")
        shown = (await client.read("client_tool_call"))["client_tool_call"]
        assert (shown["tool_name"], shown["parameters"], shown["expects_response"]) == (
            "show_page",
            {"page": "orders"},
            False,
        )
        call = (await client.read("client_tool_call"))["client_tool_call"]
        answer = {"tool_call_id": call["tool_call_id"], "result": "lost", "is_error": True}
        await client.send({"type": "client_tool_result", **answer})
        asked = (await client.read("mcp_tool_call"))["mcp_tool_call"]
        assert asked["state"] == "awaiting_approval"
        await client.send(
            {"type": "mcp_tool_approval_result", "tool_call_id": asked["tool_call_id"], "is_approved": False}
        )
        assert (await client.read("mcp_tool_call"))["mcp_tool_call"]["state"] == "failure"
        assert await client.read_close() == (1000, "All done")
    assert client.received[-1]["agent_tool_response"]["tool_name"] == "end_call"
    assert [getattr(each, "result", each) for each in outcomes] == ["", "lost", False]


async def test_approved_call_succeeds(fake: FakeConvAI) -> None:
    async def reply(turn: Turn) -> str:
        return str(await turn.ask_approval("refund"))

    fake.live.add_agent("agent_1", first_message="", reply=reply)
    async with open_socket(fake, "agent_1") as client:
        await client.say("Hi")
        asked = (await client.read("mcp_tool_call"))["mcp_tool_call"]
        await client.send(
            {"type": "mcp_tool_approval_result", "tool_call_id": asked["tool_call_id"], "is_approved": True}
        )
        assert (await client.read("mcp_tool_call"))["mcp_tool_call"]["state"] == "success"
        assert await client.read_reply() == "True"


async def test_user_interrupts_a_reply(fake: FakeConvAI) -> None:
    async def reply(turn: Turn) -> str:
        if turn.text == "Wait":
            return "Yes?"
        await turn.say("A long story.")
        await asyncio.Event().wait()
        return ""

    fake.live.add_agent("agent_1", first_message="", reply=reply)
    async with open_socket(fake, "agent_1") as client:
        await client.say("Tell me")
        await client.read("agent_response")
        await client.say("Wait")
        interruption = await client.read("interruption")
        correction = await client.read("agent_response_correction")
        response = await client.read("agent_response")
    assert correction["agent_response_correction_event"]["original_agent_response"] == "A long story."
    ids = interruption["interruption_event"]["event_id"], response["agent_response_event"]["event_id"]
    assert ids == (2, 3)
    transcript = fake.conversations.details(fake.live.conversations[0].conversation_id)["transcript"]
    assert (transcript[1]["interrupted"], transcript[1]["original_message"]) == (True, "A long story.")


async def test_interrupted_reply_that_said_nothing_has_no_correction(fake: FakeConvAI) -> None:
    async def reply(turn: Turn) -> str:
        if turn.text != "Wait":
            await turn.call_tool("slow")
        return "Yes?"

    fake.live.add_agent("agent_1", first_message="", reply=reply)
    async with open_socket(fake, "agent_1") as client:
        await client.say("Tell me")
        await client.read("client_tool_call")
        await client.say("Wait")
        assert await client.read_reply() == "Yes?"
    assert client.types[2:] == ["interruption", "agent_response", "agent_response_complete"]


async def test_speech_is_a_turn_after_silence(fake: FakeConvAI) -> None:
    heard: list[bytes] = []

    def transcribe(audio: bytes) -> str:
        heard.append(audio)
        return "Where is my order?"

    for name in ("pcm_8000", "ulaw_8000"):
        audio_format = FORMATS[name]
        fake.live.add_agent("agent_1", first_message="", input_format=name, transcribe=transcribe)
        speech = build_tone(audio_format, 0.2)
        silence = (b"\xff" if name == "ulaw_8000" else b"\0\0") * int(8000 * SILENCE_SECONDS)
        async with open_socket(fake, "agent_1") as client:
            for chunk in (silence, speech, silence):
                await client.send({"user_audio_chunk": base64.b64encode(chunk).decode()})
            transcript = await client.read("user_transcript")
            assert transcript["user_transcription_event"] == {"user_transcript": "Where is my order?", "event_id": 1}
            assert await client.read_reply() == "You said: Where is my order?"
        assert heard.pop() == speech
        assert fake.live.conversations[-1].audio == silence + speech + silence


async def test_default_transcript_contains_the_size_of_the_speech_and_audio_need_not_be_kept(fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", first_message="", keep_audio=False)
    async with open_socket(fake, "agent_1") as client:
        speech = build_tone(FORMATS["pcm_16000"], 0.1)
        for chunk in (speech, bytes(32_000)):
            await client.send({"user_audio_chunk": base64.b64encode(chunk).decode()})
        assert await client.read_reply() == f"You said: {len(speech)} bytes of speech"
    assert not fake.live.conversations[0].audio


async def test_multimodal_message_interrupts_with_the_id_of_the_reply(fake: FakeConvAI) -> None:
    async def reply(turn: Turn) -> str:
        assert turn.user is not None
        return ", ".join(f"{file.filename}: {len(file)} bytes" for file in turn.user.files)

    fake.live.add_agent("agent_1", first_message="", reply=reply)
    async with open_socket(fake, "agent_1") as client:
        started = await client.read("conversation_initiation_metadata")
        conversation_id = started["conversation_initiation_metadata_event"]["conversation_id"]
        file_id = await upload(fake, conversation_id)
        files = [{"type": "file_input", "file_id": file_id}]
        await client.send(
            {
                "type": "multimodal_message",
                "text": {"type": "user_message", "text": "See"},
                "file": files[0],
                "files": files,
            }
        )
        interruption = await client.read("interruption")
        response = await client.read("agent_response")
        assert response["agent_response_event"] == {"agent_response": "a.png: 4 bytes", "event_id": 1}
        assert interruption["interruption_event"]["event_id"] == 1
        assert fake.files[conversation_id, file_id].used
        await client.send({"type": "multimodal_message", "file": {"type": "file_input", "file_id": "file_x"}})
        assert await client.read_close() == (
            1008,
            "Invalid message received: the file 'file_x' does not exist",
        )


async def upload(fake: FakeConvAI, conversation_id: str) -> str:
    from convai_async import ConvAIClient  # noqa: PLC0415

    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        uploaded = await client.conversations.files.create(conversation_id, b"\x89PNG", filename="a.png")
        return uploaded.file_id


async def test_conversation_waits_in_the_queue_until_another_ends(fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", concurrency_limit=1)
    async with open_socket(fake, "agent_1") as first:
        await first.read("conversation_initiation_metadata")
        async with open_socket(fake, "agent_1") as second:
            await second.read("queue_status")
            await first.socket.close()
            await second.read("conversation_initiation_metadata")
    statuses = [each["queue_status_event"]["status"] for each in second.received if each["type"] == "queue_status"]
    assert statuses == ["waiting", "admitted"]


async def test_conversation_is_closed_when_its_time_in_the_queue_is_over(fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", concurrency_limit=0, queue_timeout=0.01)
    async with open_socket(fake, "agent_1") as client:
        assert await client.read_close() == (4300, "Queue wait timed out")
    assert [each["queue_status_event"]["status"] for each in client.received] == ["waiting", "timed_out"]
    assert len(fake.conversations) == 2
    with pytest.raises(ConnectionError, match="has ended"):
        await fake.live.conversations[0].wait_for("user_message")


async def test_hooks_act_before_and_after_the_metadata(fake: FakeConvAI) -> None:
    async def before(live: FakeConversation) -> None:
        await live.send({"type": "error", "error_event": {"code": 1}})

    async def after(live: FakeConversation) -> None:
        await live.close(1008, "No")

    fake.live.add_agent("agent_1", before_metadata=before, after_metadata=after)
    async with open_socket(fake, "agent_1") as client:
        assert await client.read_close() == (1008, "No")
    assert client.types == ["error", "conversation_initiation_metadata"]


async def test_pings_measure_the_latency_of_pongs(fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", first_message="", ping_interval=0.001)
    async with open_socket(fake, "agent_1") as client:
        while not client.received or client.received[-1].get("ping_event", {}).get("ping_ms") is None:
            await client.read("ping")
        await client.send({"type": "pong", "event_id": 0})
    live = fake.live.conversations[0]
    assert live.pings[0].latency is not None
    assert 0 < live.pings[0].latency < 5


async def test_idle_conversation_is_closed(fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", ping_interval=0.001, idle_timeout=0.0)
    async with open_socket(fake, "agent_1") as client:
        assert await client.read_close() == (1002, "No user input was received")
    assert client.received[-1]["error_event"]["error_type"] == "transport_receive_timeout"


async def test_error_of_a_script_closes_the_conversation_and_is_logged(
    fake: FakeConvAI, caplog: pytest.LogCaptureFixture
) -> None:
    async def reply(_turn: Turn) -> str:
        raise ValueError("x" * 200)

    fake.live.add_agent("agent_1", reply=reply)
    async with open_socket(fake, "agent_1") as client:
        await client.say("Hi")
        code, reason = await client.read_close()
    assert code == 1011
    assert reason.startswith("ValueError: xxx")
    assert "The script of the agent 'agent_1' failed" in caplog.text


async def test_script_can_wait_for_messages_and_learns_of_the_end(fake: FakeConvAI) -> None:
    async def reply(turn: Turn) -> None:
        feedback = await turn.conversation.wait_for("feedback")
        await turn.say(feedback["score"])

    fake.live.add_agent("agent_1", first_message="", reply=reply)
    async with open_socket(fake, "agent_1") as client:
        await client.say("Hi")
        await client.send({"type": "feedback", "event_id": 1, "score": "like"})
        assert await client.read_reply() == "like"
        live = fake.live.conversations[0]
        waiting = asyncio.create_task(live.wait_for("user_activity"))
        await asyncio.sleep(0)
    with pytest.raises(ConnectionError, match="has ended"):
        await waiting
    with pytest.raises(ConnectionError):
        await live.send({"type": "late"})
    await live.close(1011)
    assert live.closed == (1000, "", "client")


async def test_quirks_of_the_service() -> None:
    async def reply(turn: Turn) -> str:
        await turn.call_tool("look")
        return "A rather long answer, which takes more than a second of audio."

    async with FakeConvAI(conversations=0) as fake:
        fake.live.add_agent("agent_1", first_message="", reply=reply, transcribe=lambda _: "Hi", ping_interval=0.001)
        async with open_socket(fake, "agent_1") as client:
            for chunk in (build_tone(FORMATS["pcm_16000"], 0.1), bytes(32_000)):
                await client.send({"user_audio_chunk": base64.b64encode(chunk).decode()})
            transcript = await client.read("user_transcript")
            call = (await client.read("client_tool_call"))["client_tool_call"]
            await client.send(
                {"type": "client_tool_result", "tool_call_id": call["tool_call_id"], "result": "", "is_error": False}
            )
            await client.read("agent_response_complete")
    pings = [each["ping_event"] for each in client.received if each["type"] == "ping"]
    assert "ping_ms" not in pings[0]
    assert all("ping_ms" in ping for ping in pings[1:])
    assert transcript["user_transcription_event"] == {"user_transcript": "Hi"}
    assert "expects_response" not in call
    part, response = (
        next(each for each in client.received if each["type"] == kind)
        for kind in ("agent_chat_response_part", "agent_response")
    )
    assert part["text_response_part"]["event_id"] == "1"
    assert response["agent_response_event"]["agent_response"].endswith(". ")
    alignments = [each["audio_event"]["alignment"] for each in client.received if each["type"] == "audio"]
    assert [type(each and each["char_start_times_ms"][0]) for each in alignments[:3]] == [float, int, type(None)]
