"""Handshakes, faults, records and monitors of live conversations with the fake service."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from conftest import AT_ONCE
from live_socket import INITIATION, LiveSocket, open_socket

from convai_async import ConvAIClient
from convai_async.models import OtherToolResult
from convai_async.testing import FakeConvAI, faults
from convai_async.testing.live import faults as live_faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.testing.live import FrameFault, Turn

JSON = dict[str, Any]


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=2, quirks=False) as service:
        yield service


@pytest.fixture
async def client(fake: FakeConvAI) -> AsyncIterator[ConvAIClient]:
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=AT_ONCE) as opened:
        yield opened


async def refused_status(fake: FakeConvAI, **options: Any) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with open_socket(fake, **options):
            pass
    return caught.value.status


async def test_private_agent_needs_an_authorization(fake: FakeConvAI, client: ConvAIClient) -> None:
    fake.live.add_agent("agent_1", private=True)
    assert await refused_status(fake, agent_id="agent_1") == 403
    token = (await client.conversations.get_webrtc_token("agent_1")).token
    for options in (
        {"headers": {"xi-api-key": fake.api_key}},
        {"protocols": ["convai", f"bearer.{token}"]},
        {"url": (await client.conversations.get_signed_url("agent_1")).signed_url},
    ):
        async with open_socket(fake, "agent_1", **options) as socket:
            await socket.read("conversation_initiation_metadata")
        assert socket.socket.protocol == ("convai" if "protocols" in options else None)
    authorizations = [live.authorization for live in fake.live.conversations]
    assert authorizations == ["authorization_header", "authorization_header", "signed_url"]


async def test_wrong_authorizations_and_agents_are_refused(fake: FakeConvAI, client: ConvAIClient) -> None:
    assert await refused_status(fake, headers={"xi-api-key": "xi-wrong"}) == 401
    assert await refused_status(fake, protocols=["bearer.wrong"]) == 401
    assert await refused_status(fake, agent_id="agent_unknown") == 404
    signed = (await client.conversations.get_signed_url("agent_billing")).signed_url
    assert await refused_status(fake, url=f"{signed}x") == 403
    assert await refused_status(fake, url=f"{signed}&misspelled=1") == 422
    fake.live.expire_signed_urls()
    assert await refused_status(fake, url=signed) == 403
    fake.faults.add(faults.status(500), operation="connect_conversation")
    assert await refused_status(fake) == 500
    assert fake.live.conversations == []


async def test_signed_url_with_a_conversation_id_can_be_used_once(fake: FakeConvAI, client: ConvAIClient) -> None:
    signed = await client.conversations.get_signed_url("agent_billing", include_conversation_id=True)
    async with open_socket(fake, url=signed.signed_url) as socket:
        await socket.read("conversation_initiation_metadata")
    assert await refused_status(fake, url=signed.signed_url) == 403
    assert signed.conversation_id is not None
    assert fake.live[signed.conversation_id].agent.agent_id == "agent_billing"
    with pytest.raises(KeyError):
        fake.live["conv_x"]


async def test_agent_of_an_added_conversation_can_be_talked_to(fake: FakeConvAI) -> None:
    fake.add("conv_1", agent_id="agent_of_mine")
    async with open_socket(fake, "agent_of_mine") as socket:
        await socket.say("Hi")
        await socket.read_reply()
        assert await socket.read_reply() == "You said: Hi"


async def test_conversations_do_not_count_as_concurrent_requests() -> None:
    async with FakeConvAI(conversations=1, concurrency_limit=1) as fake, open_socket(fake) as socket:
        await socket.read("conversation_initiation_metadata")
        async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
            assert len(await client.conversations.list()) == 2


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("{", "Input data was truncated"),
        ("[]", "Expected `object`"),
        ('{"type": "hello"}', "unknown type 'hello'"),
        ("{}", "unknown type None"),
        ('{"type": "pong"}', "missing required field `event_id`"),
        ('{"user_audio_chunk": "?"}', "user_audio_chunk"),
        ('{"user_audio_chunk": 1}', "user_audio_chunk"),
        ('{"type": "conversation_initiation_client_data"}', "initiated already"),
        (b"binary", "binary frames"),
    ],
)
async def test_invalid_message_closes_the_conversation(fake: FakeConvAI, message: str | bytes, problem: str) -> None:
    async with open_socket(fake) as socket:
        await socket.read("conversation_initiation_metadata")
        await (socket.socket.send_str if isinstance(message, str) else socket.socket.send_bytes)(message)  # type: ignore[arg-type]
        code, _reason = await socket.read_close()
    assert code == 1008
    assert problem in socket.received[-1]["error_event"]["message"]


async def test_conversation_is_listed_and_done_after_its_end(fake: FakeConvAI, client: ConvAIClient) -> None:
    async def reply(turn: Turn) -> str:
        await turn.call_tool("look", {"at": 1})
        return "Done."

    fake.live.add_agent("agent_1", first_message="Hello!", reply=reply)
    initiation = INITIATION | {
        "user_id": "user_ann",
        "dynamic_variables": {"name": "Ann"},
        "source_info": {"source": "python_sdk", "version": "1.0"},
    }
    async with open_socket(fake, "agent_1", initiation=initiation) as socket:
        await socket.say("Hi")
        call = (await socket.read("client_tool_call"))["client_tool_call"]
        [running] = await client.conversations.list(user_id="user_ann")
        assert running.status == "in-progress"
        await socket.send(
            {"type": "client_tool_result", "tool_call_id": call["tool_call_id"], "result": "7", "is_error": False}
        )
        await socket.read_reply()
    live = fake.live[running.conversation_id]
    assert [each["tool_call_id"] for each in live.received("client_tool_result")] == [call["tool_call_id"]]
    assert await live.wait_until(lambda each: each.closed) == (1000, "", "client")
    statuses = [(await client.conversations.get(running.conversation_id)).status for _ in range(2)]
    assert statuses == ["processing", "done"]
    done = await client.conversations.get(running.conversation_id)
    assert [(turn.role, turn.message) for turn in done.transcript] == [
        ("agent", "Hello!"),
        ("user", "Hi"),
        ("agent", None),
        ("agent", "Done."),
    ]
    assert done.transcript[2].tool_calls[0].params_as_json == '{"at":1}'
    [result] = done.transcript[2].tool_results
    assert isinstance(result, OtherToolResult)
    assert result.result_value == "7"
    assert done.metadata.authorization_method == "public"
    assert done.metadata.termination_reason == "Client disconnected: 1000"
    assert done.conversation_initiation_client_data is not None
    assert done.conversation_initiation_client_data.dynamic_variables == {"name": "Ann"}
    assert done.has_audio
    assert done.analysis is not None


async def test_end_by_the_agent_and_failure_are_recorded(fake: FakeConvAI, client: ConvAIClient) -> None:
    async def reply(turn: Turn) -> None:
        if turn.text == "fail":
            await turn.conversation.fail(1011, "unknown", "It broke")
        await turn.end_call()

    fake.live.add_agent("agent_1", reply=reply, text_only=True)
    for text in ("bye", "fail"):
        async with open_socket(fake, "agent_1") as socket:
            await socket.say(text)
            await socket.read_close()
    first, second = (live.conversation_id for live in fake.live.conversations)
    ended, failed = await client.conversations.wait(first), await client.conversations.get(second)
    assert (ended.status, ended.metadata.termination_reason) == ("done", "end_call tool was called")
    assert ended.transcript[-1].tool_calls[0].tool_name == "end_call"
    assert not ended.has_audio
    assert failed.status == "failed"
    assert failed.metadata.error is not None
    assert (failed.metadata.error.code, failed.metadata.error.reason) == (1011, "It broke")


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        (live_faults.drop(), 1006, ""),
        (live_faults.drop(end="reset"), 1006, ""),
        (live_faults.drop(end="half-close"), 1006, ""),
        (live_faults.cut_frame(), 1006, ""),
        (live_faults.close(1011), 1011, ""),
        (live_faults.close(1008, "No"), 1008, "No"),
        (live_faults.fail(1002, "llm_timeout", "Slow"), 1002, "Slow"),
    ],
)
async def test_fault_ends_the_conversation(fake: FakeConvAI, fault: FrameFault, code: int, reason: str) -> None:
    rule = fake.live.faults.add(fault, event="agent_response", skip=1)
    async with open_socket(fake) as socket:
        await socket.say("Hi")
        assert await socket.read_close() == (code, reason)
    assert rule.hits == 1
    assert len([each for each in socket.received if each["type"] == "agent_response"]) == 1
    closed = await fake.live.conversations[0].wait_until(lambda each: each.closed)
    assert closed == ((code, reason, "agent") if code != 1006 else (1006, "", ""))


async def test_protocol_error_makes_the_client_close(fake: FakeConvAI) -> None:
    fake.live.faults.add(live_faults.protocol_error(), event="agent_response")
    async with open_socket(fake) as socket:
        await socket.read_close()
    closed = await fake.live.conversations[0].wait_until(lambda each: each.closed)
    assert (closed.code, closed.by) == (1002, "client")


async def test_event_can_be_changed_padded_delayed_and_preceded(fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", first_message="", client_events=["agent_response"])
    for fault in (
        live_faults.change(lambda event: event | {"more": 1}),
        live_faults.change(lambda _: None),
        live_faults.pad(),
        live_faults.delay(0),
        live_faults.insert({"type": "unknown_event"}),
    ):
        fake.live.faults.add(fault, event="agent_response")
    async with open_socket(fake, "agent_1") as socket:
        replies = []
        for number in range(6):
            await socket.say("Hi")
            if number != 1:
                replies.append(await socket.read("agent_response"))
    assert (replies[0]["more"], len(replies[1]["padding"])) == (1, 5 * 1024 * 1024)
    assert [reply["agent_response_event"]["event_id"] for reply in replies] == [1, 3, 4, 5, 6]
    assert socket.types[-3:] == ["unknown_event", "agent_response", "agent_response"]


async def test_text_and_binary_frames_replace_an_event(fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", first_message="", client_events=["agent_response"])
    fake.live.faults.add(live_faults.text("{"), event="agent_response")
    fake.live.faults.add(live_faults.binary(), event="agent_response")
    async with open_socket(fake, "agent_1") as socket:
        await socket.read("ping")
        await socket.say("Hi")
        assert (await socket.socket.receive()).data == "{"
        await socket.say("Hi")
        assert (await socket.socket.receive()).type is aiohttp.WSMsgType.BINARY


async def test_silence_sends_not_even_pongs(fake: FakeConvAI) -> None:
    fake.live.faults.add(live_faults.silence(), event="agent_response")
    async with open_socket(fake, heartbeat=0.05) as socket:
        await socket.say("Hi")
        assert (await socket.read_close())[0] == 1006
        live = fake.live.conversations[0]
        live.write_raw(b"late")
        await live.write_bytes(b"late")
    assert live.closed is None  # it did not notice


async def test_rates_are_the_same_in_each_run_and_faults_can_be_removed(fake: FakeConvAI) -> None:
    seen = []
    for _ in range(2):
        async with FakeConvAI(conversations=0, seed=3) as same:
            rule = same.live.faults.add(live_faults.change(lambda event: event), times=None, rate=0.5)
            for _ in range(20):
                same.live.faults.pick("audio")
            seen.append(rule.hits)
            same.live.faults.clear()
            assert same.live.faults.pick("audio") is None
    assert seen[0] == seen[1]
    assert 0 < seen[0] < 20


async def test_closing_the_service_ends_conversations() -> None:
    async with FakeConvAI(conversations=0) as fake, open_socket(fake) as socket:
        await socket.read("ping")
        await fake.close()
        assert (await socket.read_close())[0] == 1006
        assert fake.live.conversations[0].closed == (1006, "", "")


@asynccontextmanager
async def watch(fake: FakeConvAI, conversation_id: str) -> AsyncIterator[LiveSocket]:
    url = f"{fake.url.replace('http', 'ws')}/v1/convai/conversations/{conversation_id}/monitor"
    async with open_socket(fake, url=url, initiation=None, headers={"xi-api-key": fake.api_key}) as socket:
        yield socket


def command(command_type: str, **parameters: str) -> JSON:
    return {"command_type": command_type} | ({"parameters": parameters} if parameters else {})


async def test_monitor_sees_the_conversation_and_takes_over(fake: FakeConvAI) -> None:
    async with open_socket(fake) as caller:
        await caller.read("agent_response")
        live = fake.live.conversations[0]
        async with watch(fake, live.conversation_id) as monitor:
            await monitor.read("agent_response")  # replayed
            await monitor.send(command("contextual_update", contextual_update="A VIP"))
            await monitor.send(command("enable_human_takeover"))
            await monitor.socket.send_bytes(b"ignored")
            await monitor.send(command("misspelled"))
            await monitor.read("error")
            await caller.say("Is a person there?")
            transcript = await monitor.read("user_transcript")
            assert transcript["user_transcription_event"]["user_transcript"] == "Is a person there?"
            await monitor.send(command("send_human_message", text="I am one."))
            response = await caller.read("agent_response")
            assert response["agent_response_event"]["agent_response"] == "I am one."
            await monitor.send(command("disable_human_takeover"))
            await monitor.send(command("send_human_message", text="Bye."))
            await caller.read("agent_response")
            await caller.say("Hi")
            assert await caller.read_reply() == "You said: Hi"
            await monitor.send(command("end_call"))
            assert await caller.read_close() == (1000, "Ended by a monitor")
            assert await monitor.read_close() == (1000, "")
        assert "audio" not in {event["type"] for event in monitor.received}
        assert live.commands[0] == command("contextual_update", contextual_update="A VIP")


async def test_monitor_transfers_to_a_number_and_may_leave_before(fake: FakeConvAI) -> None:
    async with open_socket(fake) as caller:
        await caller.read("agent_response")
        live = fake.live.conversations[0]
        async with watch(fake, live.conversation_id) as monitor:
            await monitor.read("agent_response")
        async with watch(fake, live.conversation_id) as monitor:
            await monitor.send(command("transfer_to_number", phone_number="+15550100"))
            assert await caller.read_close() == (1000, "Transferred to +15550100")


async def test_monitor_is_refused(fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", monitoring_enabled=False)
    ended = fake.add("conv_1")
    url = f"{fake.url.replace('http', 'ws')}/v1/convai/conversations/{ended}/monitor"
    assert await refused_status(fake, url=url) == 401
    assert await refused_status(fake, url=url, headers={"xi-api-key": fake.api_key}) == 404
    async with open_socket(fake, "agent_1") as caller:
        await caller.read("ping")
        url = url.replace(ended, fake.live.conversations[0].conversation_id)
        assert await refused_status(fake, url=url, headers={"xi-api-key": fake.api_key}) == 403
