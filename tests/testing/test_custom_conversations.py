"""Conversations, files, tags and requests that a test adds to the fake service."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from test_filters import EXPECTED

from convai_async import ConvAIClient
from convai_async.errors import ConvAIError, NotFoundError
from convai_async.testing import FakeConvAI

HELLO = [("agent", "Hello!"), ("user", "Where is my parcel?"), ("agent", None)]


async def test_added_conversation_is_found_by_every_endpoint(client: ConvAIClient, fake: FakeConvAI) -> None:
    assert fake.add("conv_own", agent_id="agent_own", transcript=HELLO) == "conv_own"
    assert next(iter(fake.conversations)) == "conv_own", "it is the newest"

    (listed,) = await client.conversations.list(agent_id="agent_own", summary_mode="include").collect()
    assert (listed.conversation_id, listed.status, listed.message_count) == ("conv_own", "done", 2)
    assert listed.call_successful == "success"
    assert listed.call_summary_title == "Where is my parcel?"
    assert listed.rating is None

    conversation = await client.conversations.get("conv_own")
    assert [(turn.role, turn.message) for turn in conversation.transcript] == HELLO
    assert [turn.time_in_call_secs for turn in conversation.transcript] == [0, 6, 12]
    assert conversation.agent_id == "agent_own"
    assert conversation.metadata.call_duration_secs == 18
    assert conversation.analysis is not None
    assert conversation.analysis.transcript_summary == listed.transcript_summary

    async with client.conversations.audio.stream("conv_own") as audio:
        assert len(b"".join([chunk async for chunk in audio])) == 18_000
    (hit,) = await client.conversations.messages.text_search("parcel", agent_id="agent_own").collect()
    assert (hit.conversation_id, hit.transcript_index) == ("conv_own", 1)
    digest = await client.conversations.get_summary("conv_own")
    assert [message.message for message in digest.messages] == ["Hello!", "Where is my parcel?"]
    assert (await client.agents.link.get("agent_own")).agent_id == "agent_own"

    await client.conversations.delete("conv_own")
    assert "conv_own" not in fake.conversations


async def test_given_fields_are_merged_with_generated_ones(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.add(
        "conv_own",
        transcript=[{"role": "user", "message": "Ciao", "time_in_call_secs": 5, "interrupted": True}],
        start=1_700_000_000,
        user_id="user_own",
        has_audio=False,
        tag_ids=["tag_1"],
        metadata={"call_duration_secs": 7, "feedback": {"rating": 2, "comment": "Slow."}},
        analysis={"call_successful": "failure", "data_collection_results": {"city": {"value": "Rome"}}},
    )
    assert list(fake.conversations)[-1] == "conv_own", "it is the oldest"
    conversation = await client.conversations.get("conv_own")
    assert conversation.transcript[0].interrupted
    assert conversation.metadata.start_time_unix_secs == 1_700_000_000
    assert conversation.metadata.call_duration_secs == 7
    assert conversation.metadata.termination_reason, "generated"
    filters: Any = {
        "user_id": "user_own",
        "rating_max": 2,
        "has_feedback_comment": True,
        "call_successful": "failure",
        "data_collection_params": ["city:eq:Rome"],
        "call_duration_max_secs": 7,
        "tag_ids": ["tag_1"],
    }
    for name, value in filters.items():
        assert "conv_own" in [each.conversation_id async for each in client.conversations.list(**{name: value})], name
    with pytest.raises(NotFoundError):
        await client.conversations.audio.stream("conv_own").__aenter__()


async def test_unfinished_conversation_is_done_after_finish_or_after_requests(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    fake.add("conv_1", status="in-progress", transcript=HELLO, analysis={"call_successful": "failure"})
    unfinished = await client.conversations.get("conv_1")
    assert (unfinished.status, unfinished.analysis, unfinished.has_audio) == ("in-progress", None, False)
    (listed,) = await client.conversations.list(page_size=1)
    assert (listed.status, listed.call_successful, listed.call_summary_title) == ("in-progress", "unknown", None)
    fake.finish("conv_1")
    finished = await client.conversations.get("conv_1")
    assert (finished.status, finished.has_audio) == ("done", True)
    assert finished.analysis is not None
    assert finished.analysis.call_successful == "failure"

    fake.add("conv_2", status="processing", done_after=2)
    statuses = [(await client.conversations.get("conv_2")).status for _ in range(4)]
    assert statuses == ["processing", "processing", "done", "done"]
    fake.add("conv_3", status="processing", done_after=0)
    fake.finish("conv_3", "failed")
    assert (await client.conversations.get("conv_3")).status == "failed"


def test_conversation_without_transcript_is_generated() -> None:
    fake = FakeConvAI(conversations=0)
    first, second = fake.add(), fake.add()
    assert list(fake.conversations) == [second, first]
    assert fake.conversations[second].start == fake.conversations[first].start + 60
    assert len(fake.conversations.details(first)["transcript"]) >= 10
    third = fake.conversations.details(fake.add(agent_id="agent_own"))
    assert [agent["agent_id"] for agent in third["visited_agents"]] == ["agent_own"]
    assert {turn["agent_metadata"]["agent_id"] for turn in third["transcript"] if turn["agent_metadata"]} == {
        "agent_own"
    }


def test_invalid_conversation_is_refused_and_not_added() -> None:
    fake = FakeConvAI(conversations=1)
    there = list(fake.conversations)
    with pytest.raises(ValueError, match="already"):
        fake.add(there[0])
    with pytest.raises(TypeError, match=r"no field 'sumary'; known fields: agent_id, "):
        fake.add("conv_1", sumary="x")
    with pytest.raises(TypeError, match=r"no field 'started'; known fields: .*, start, "):
        fake.add("conv_1", started=1)
    wrong: list[Any] = ["hello", ("user",), "hi"]
    for turn in wrong:
        with pytest.raises(ValueError, match=r"transcript\[0\] must be a \(role, text\) pair or a dict, got "):
            fake.add("conv_1", transcript=[turn])
    with pytest.raises(ValueError, match=r"transcript\[1\]: role must be 'user' or 'agent', got 'bot'"):
        fake.add("conv_1", transcript=[("user", "Hi"), ("bot", "Hi")])
    with pytest.raises(ValueError, match=r"status must be one of .*'done', 'failed', got 'finished'"):
        fake.add("conv_1", status="finished")
    assert list(fake.conversations) == there


async def test_used_file_cannot_be_deleted(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = fake.add()
    for name, content_type in {"a.png": "image/png", "b.txt": "text/plain", "c.json": "application/json"}.items():
        uploaded = await client.conversations.files.create(conversation_id, b"{}", filename=name)
        file = fake.files[conversation_id, uploaded.file_id]
        assert (file, file.filename, file.content_type) == (b"{}", name, content_type)
        url = f"{fake.url}/v1/convai/conversations/{conversation_id}/files/{uploaded.file_id}"
        headers = {"xi-api-key": fake.api_key}
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as reply:
            assert (await reply.read(), reply.content_type) == (b"{}", content_type)
        file.used = True
        with pytest.raises(ConvAIError, match="was used"):
            await client.conversations.files.delete(conversation_id, uploaded.file_id)
        file.used = False
        await client.conversations.files.delete(conversation_id, uploaded.file_id)
    assert fake.files == {}


async def test_tags_are_newest_first_and_deleted_tags_are_removed_from_conversations(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    tags = client.conversations.tags
    made = [(await tags.create(str(number))).tag_id for number in range(3)]
    await tags.delete(made.pop(1))
    made.append((await tags.create("3")).tag_id)
    listed = [tag async for tag in tags.list(page_size=1)]
    assert [tag.tag_id for tag in listed] == made[::-1]
    created = [tag.created_at_unix_secs or 0 for tag in listed]
    assert created == sorted(set(created), reverse=True)
    conversation_id = fake.add()
    await tags.assign(conversation_id, tag_ids=[made[0]])
    await tags.delete(made[0])
    assert (await client.conversations.get(conversation_id)).tag_ids == ()


async def test_requests_can_be_filtered_and_do_not_contain_the_key(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = fake.add()
    await client.conversations.list(agent_id="agent_billing", page_size=5)
    await client.conversations.feedback.create(conversation_id, feedback="like")
    with pytest.raises(ConvAIError):
        await client.request("PUT", "/v1/convai/conversations")
    assert [request.operation for request in fake.requests] == ["list_conversations", "create_feedback", ""]
    (rated,) = fake.requests("create_feedback")
    assert rated.json == {"feedback": "like"}
    assert fake.requests(method="POST", path=conversation_id) == [rated]
    assert fake.requests(query={"agent_id": "agent_billing"}) == fake.requests("list_conversations")
    assert fake.requests(query={"agent_id": "agent_none"}) == []
    assert fake.requests[0].json is None
    assert fake.api_key not in repr(fake.requests)
    assert all(request.authorized for request in fake.requests)
    with pytest.raises(ValueError, match="unknown operation 'rate'; known operations: assign_tags, "):
        fake.requests("rate")


async def test_every_filter_accepts_conversations_with_few_fields() -> None:
    async with FakeConvAI(conversations=0) as fake:
        fake.add(
            "conv_1",
            transcript=[{"role": "agent", "tool_calls": [{"tool_name": "look_up"}], "triggered_guardrails": [{}]}],
            metadata={"feedback": None, "phone_call": None},
            analysis={"data_collection_results": {"city": {}}, "evaluation_criteria_results": {"solved": {}}},
            conversation_initiation_client_data=None,
        )
        asked = {"data_collection_ids": ["city"], "evaluation_criteria_ids": ["solved"]}
        async with ConvAIClient(fake.api_key, base_url=fake.url) as own:
            for name in EXPECTED:
                filters: Any = {name: EXPECTED[name][0], **asked}
                found = [each.conversation_id async for each in own.conversations.list(**filters)]
                assert set(found) <= {"conv_1"}, name
            assert len(await own.conversations.list(tool_names=["look_up"])) == 1
            assert len(await own.conversations.list(tool_names_successful=["look_up"])) == 0, "it has no result"
            traced = await own.conversations.get("conv_1", format="opentelemetry")
            assert traced.otlp_traces
