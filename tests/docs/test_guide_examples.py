"""The examples of the guide do what their pages say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import convai_async
from convai_async import ConvAIClient, RetryPolicy
from convai_async.archive import Archive
from convai_async.errors import PermissionDeniedError
from convai_async.live import AgentResponse, read_wav, write_wav
from convai_async.models import Conversation
from convai_async.testing import FakeConvAI, faults
from convai_async.testing.live import ToolResult, Turn
from convai_async.testing.live.audio import FORMATS, build_tone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


@pytest.mark.parametrize("page", ["README", "index"])
async def test_first_example_reads_transcripts(
    page: str, load: Callable[[str], dict[str, Any]], at_home: FakeConvAI, capsys: pytest.CaptureFixture[str]
) -> None:
    at_home.add(start=4_000_000_000)
    await load(page)["main"]()
    assert {request.operation for request in at_home.requests} >= {"list_conversations"}
    assert at_home.requests("list_conversations", query={"call_successful": "failure"})


async def test_pagination_examples_request_the_expected_pages(
    load: Callable[[str], dict[str, Any]], client: ConvAIClient, fake: FakeConvAI
) -> None:
    pagination = load("pagination")
    await pagination["page_by_page"](client, None)
    assert len(fake.requests) == 3
    await pagination["first_page"](client)
    await pagination["first_500"](client)
    await pagination["with_prefetch"](client)
    assert len(fake.requests("list_conversations")) == 3 + 1 + 3 + 3


async def test_saved_cursor_continues_with_the_next_page(
    load: Callable[[str], dict[str, Any]], client: ConvAIClient, fake: FakeConvAI
) -> None:
    saved = (await client.conversations.list(page_size=100)).next_cursor
    assert await load("pagination")["page_by_page"](client, saved) is None
    assert len(fake.requests) == 3


async def test_get_many_example_sends_its_filter_and_returns_summaries(
    load: Callable[[str], dict[str, Any]], at_home: FakeConvAI
) -> None:
    async with ConvAIClient() as client:
        assert all(isinstance(summary, str) for summary in await load("quickstart")["refunds"](client))
    query = at_home.requests[0].query
    assert ("tool_names", "issue_refund") in query


async def test_worker_example_drops_waits_or_retries_by_error(
    load: Callable[[str], dict[str, Any]], fake: FakeConvAI
) -> None:
    handle = load("workers_handle")["handle"]
    ids = iter(fake.conversations)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client:
        assert await handle(client, next(ids)) == "done"
        assert await handle(client, "conv_none") == "drop"
        assert await handle(client, "") == "drop"
        assert await handle(client, fake.add(status="processing")) == "wait"
        for fault, answer in (
            (faults.status(503), "retry in 60 s"),
            (faults.drop(), "retry in 60 s"),
            (faults.body(b"{}"), "retry in 60 s"),
            (faults.body(b'{"conversation_id": 5}'), "drop"),
            (faults.body(b"<html>"), "retry in 60 s"),
        ):
            fake.faults.add(fault, times=2)  # aiohttp repeats one dropped GET by itself
            assert await handle(client, next(ids)) == answer
            fake.faults.clear()
        for status, error in ((401, convai_async.AuthenticationError), (403, PermissionDeniedError)):
            fake.faults.add(faults.status(status))
            with pytest.raises(error):
                await handle(client, next(ids))
        fake.faults.add(faults.rate_limited(retry_after=7))
        assert await handle(client, next(ids)) == "retry in 7 s"


async def test_errors_example_names_the_status_and_the_attempts(
    load: Callable[[str], dict[str, Any]], fake: FakeConvAI
) -> None:
    status_of = load("errors")["status_of"]
    conversation_id = next(iter(fake.conversations))
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client:
        assert await status_of(client, conversation_id) == "its status is done"
        assert await status_of(client, "conv_none") == "there is no such conversation"
        fake.faults.add(faults.status(503))
        assert (await status_of(client, conversation_id)).startswith("the service returned 503, request id req_")
        fake.faults.add(faults.drop(), times=2)
        assert await status_of(client, conversation_id) == "1 attempts failed; try again later: True"


@pytest.mark.usefixtures("in_tmp_path")
async def test_recording_examples_save_and_count_the_same_bytes(
    load: Callable[[str], dict[str, Any]], client: ConvAIClient, fake: FakeConvAI, tmp_path: Path
) -> None:
    recorded = next(filter(fake.conversations.has_audio, fake.conversations))
    recordings = load("recordings")
    await recordings["save_recording"](client, recorded)
    assert (tmp_path / "call.mp3").stat().st_size == await recordings["count_bytes"](client, recorded) > 0


async def test_conversation_examples_print_no_secret_and_delete(
    load: Callable[[str], dict[str, Any]], served: FakeConvAI, capsys: pytest.CaptureFixture[str]
) -> None:
    conversations = load("conversations")
    async with ConvAIClient() as client:
        await conversations["start"](client)
        await conversations["sip_messages"](client)
        await conversations["delete"](client)
    out = capsys.readouterr().out
    assert "INVITE" in out
    assert "wss://" not in out
    assert "conv_1" not in served.conversations


async def test_watch_example_continues_from_a_token(
    load: Callable[[str], dict[str, Any]], client: ConvAIClient, fake: FakeConvAI
) -> None:
    async with client.conversations.watch(since=0) as watch:
        await anext(watch)
        saved = watch.token
    task = asyncio.create_task(load("conversations")["watch_forever"](client, saved))
    async with asyncio.timeout(60):
        while len(fake.requests("get_conversation")) < 10:
            await asyncio.sleep(0)
    task.cancel()


async def test_live_example_runs_its_tool(
    load: Callable[[str], dict[str, Any]], served: FakeConvAI, capsys: pytest.CaptureFixture[str]
) -> None:
    results: list[ToolResult] = []

    async def reply(turn: Turn) -> str:
        results.extend([await turn.call_tool("lookup_order", {"number": number}) for number in (7, 0)])
        return "Done."

    served.live.add_agent("agent_1", reply=reply)
    async with ConvAIClient(served.api_key, base_url=served.url) as client:
        await load("live")["with_tools"](client)
    assert "Done." in capsys.readouterr().out
    assert results == [
        ToolResult('{"status":"on its way"}', is_error=False),
        ToolResult("There is no such order.", is_error=True),
    ]


async def test_live_example_connects_a_microphone_and_a_player(
    load: Callable[[str], dict[str, Any]], served: FakeConvAI
) -> None:
    played: list[bytes] = []

    class Player:
        def play(self, audio: bytes) -> None:
            played.append(audio)

        def stop(self) -> None:
            played.clear()

    async def listen() -> AsyncIterator[bytes]:
        yield build_tone(FORMATS["pcm_16000"], 0.5)
        while True:
            yield bytes(3200)
            await asyncio.sleep(0)

    async def reply(turn: Turn) -> None:
        await turn.send({"type": "interruption", "interruption_event": {"event_id": turn.event_id}})
        await turn.say("Goodbye.", audio=b"the end.")
        await turn.end_call()

    served.live.add_agent("agent_1", reply=reply)
    async with (
        ConvAIClient(served.api_key, base_url=served.url) as client,
        client.conversations.connect("agent_1") as live,
    ):
        await load("live")["call"](live, listen(), Player())
    assert played[-1] == b"the end."


@pytest.mark.usefixtures("in_tmp_path")
async def test_live_example_speaks_a_file_and_saves_the_reply(
    load: Callable[[str], dict[str, Any]], served: FakeConvAI
) -> None:
    write_wav("question.wav", build_tone(FORMATS["pcm_16000"], 0.1), "pcm_16000")
    async with ConvAIClient(served.api_key, base_url=served.url) as client:
        await load("live")["speak_file"](client)
    assert len(read_wav("reply.wav", "pcm_16000")) > 16_000


async def test_live_example_takes_a_conversation_over(
    load: Callable[[str], dict[str, Any]], served: FakeConvAI
) -> None:
    async with (
        ConvAIClient(served.api_key, base_url=served.url) as client,
        client.conversations.connect("agent_1", text_only=True) as live,
    ):
        supervising = asyncio.create_task(load("live")["supervise"](client, live.conversation_id))
        while not served.live[live.conversation_id]._watchers:
            await asyncio.sleep(0)
        await live.send_text("I want a human.")
        async for event in live:
            if isinstance(event, AgentResponse) and event.text.startswith("Hello, this is Ann."):
                break
        await live.close()
        await supervising


async def test_log_records_have_the_documented_attributes(
    load: Callable[[str], dict[str, Any]], client: ConvAIClient, fake: FakeConvAI, caplog: pytest.LogCaptureFixture
) -> None:
    load("logging")["log_requests"]()
    fake.faults.add(faults.status(503))
    await client.conversations.list()
    documented = {
        "DEBUG": {"method", "path", "status", "request_id", "duration_secs"},
        "INFO": {"attempt", "wait_secs", "status", "request_id"},
    }
    records = [record for record in caplog.records if record.name == "convai_async"]
    assert {record.levelname for record in records} == documented.keys()
    for record in records:
        assert vars(record).keys() >= documented[record.levelname]


async def test_settings_example_sets_the_options_of_the_client(load: Callable[[str], dict[str, Any]]) -> None:
    settings = load("settings")
    client, patient = settings["client"], settings["patient"]
    assert client.base_url == "https://api.eu.residency.elevenlabs.io"
    assert client._engine.retry == RetryPolicy(attempts=8, timeout=300)
    assert (patient._engine.timeout, patient._engine.retry) == (120, None)


@pytest.mark.usefixtures("in_tmp_path")
async def test_limits_examples_list_ratings_and_harvest_with_a_share(
    load: Callable[[str], dict[str, Any]], client: ConvAIClient, at_home: FakeConvAI
) -> None:
    limits = load("limits")
    assert [each for each, _ in await limits["export_ratings"](client)] == list(at_home.conversations)
    await limits["harvest_beside_a_backend"]()
    with Archive.open("calls.db") as archive:
        assert archive.status().conversations == 250


@pytest.mark.usefixtures("in_tmp_path")
async def test_nightly_example_fetches_every_conversation(
    load: Callable[[str], dict[str, Any]], at_home: FakeConvAI, capsys: pytest.CaptureFixture[str]
) -> None:
    await load("harvest")["nightly"]()
    assert capsys.readouterr().out.startswith("250 0 0\n")


def test_data_frames_have_the_rows_of_the_archive(load: Callable[[str], dict[str, Any]], archive_here: Path) -> None:
    examples = load("dataframes_archive")
    assert examples["minutes_by_day"]("calls.db").sum() > 0
    assert len(examples["slowest_tools"]("calls.db")) > 3
    assert examples["successes_by_agent"]("calls.db").sum().sum() == 102
    assert set(examples["words_by_role"]("calls.db")["role"]) == {"agent", "user"}
    assert examples["tools_by_calls"]("calls.parquet")["calls"].sum() > 102
    assert len(examples["read_with_pandas"]("calls.parquet")) == 102


def test_assistant_example_computes_numbers(load: Callable[[str], dict[str, Any]], archive_here: Path) -> None:
    latency, failed, ratings = load("assistant")["summarize"]("calls.db")
    assert latency.columns[:2] == ("week", "agent")
    assert len(failed.rows) == 10
    assert ratings.columns == ("agent_name", "mean_rating")


def test_archive_examples_search_and_copy(
    load: Callable[[str], dict[str, Any]], archive_here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = load("archive")
    examples["print_refunds"]()
    assert "conv_1 user I want a refund." in capsys.readouterr().out
    assert examples["count_turns"]() >= 3
    assert examples["copy_with_jsonl"]() == 102
    with Archive.open("calls.db") as archive, Archive.open("copy.db") as copy:
        assert copy.get_raw("conv_1") == archive.get_raw("conv_1")


@pytest.mark.usefixtures("in_tmp_path")
async def test_archive_example_adds_and_deletes(
    load: Callable[[str], dict[str, Any]], service: FakeConvAI, tmp_path: Path
) -> None:
    conversation = Conversation.from_json(service.conversations.document("conv_1"))
    load("archive")["add_and_delete"](conversation)
    with Archive.open("copy.db") as archive:
        assert archive.status().conversations == 0
    assert b"I want a refund." not in (tmp_path / "copy.db").read_bytes()
