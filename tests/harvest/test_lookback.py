"""Which part of the list a run reads: the lookback, and ranges that were not read before."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING

from archive_file import ids_in

from convai_async import ConvAIClient
from convai_async.harvest import HarvestReport, harvest
from convai_async.testing import FakeConvAI
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from pathlib import Path


async def test_first_run_lists_without_a_lower_bound(client: ConvAIClient, fake: FakeConvAI, archive: Path) -> None:
    await harvest(client, archive)
    first = next(iter(fake.requests("list_conversations")))
    assert "call_start_after_unix" not in dict(first.query)


async def test_second_run_lists_only_the_lookback_and_fetches_nothing_again(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive)
    fake.requests.clear()
    report = await harvest(client, archive)
    newest = fake.conversations[next(iter(fake.conversations))].start
    recent = [each for each in fake.conversations if fake.conversations[each].start >= newest - 3 * 86_400]
    assert (report.found, report.fetched, report.unchanged) == (len(recent), 0, len(recent))
    assert 0 < len(recent) < 100
    assert report.complete
    assert len(fake.requests("list_conversations")) <= 3
    assert fake.requests("get_conversation") == []


async def test_changed_entry_is_fetched_again_only_within_the_lookback(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive)
    ids = list(fake.conversations)
    recent, old = ids[0], ids[-1]
    for conversation_id in (recent, old):
        fake.conversations[conversation_id].feedback = "like"
        fake.conversations[conversation_id].status = "failed"
    fake.requests.clear()
    report = await harvest(client, archive)
    assert [request.path.rsplit("/", 1)[1] for request in fake.requests("get_conversation")] == [recent]
    report = await harvest(client, archive, lookback=timedelta(days=400))
    assert report.found == 250
    assert report.fetched == 1
    assert fake.requests("get_conversation")[-1].path.endswith(old)


async def test_call_that_starts_during_a_harvest_is_stored_by_it(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=200, latency=0.001) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        new: list[str] = []

        def progress(report: HarvestReport) -> None:
            if report.fetched and not new:
                new.append(fake.add(start=newest + 1))

        newest = json.loads(fake.conversations.document(next(iter(fake.conversations))))["metadata"][
            "start_time_unix_secs"
        ]
        report = await harvest(client, archive, progress=progress)
        assert report.complete
        assert new[0] in ids_in(archive)
        assert report.fetched == 201


async def test_wider_range_fetches_only_conversations_outside_the_earlier_range(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive, since=date(2026, 5, 20), until=date(2026, 5, 22))
    before = len(ids_in(archive))
    fake.requests.clear()
    report = await harvest(client, archive, since=date(2026, 5, 10), lookback=timedelta(0))
    assert report.complete
    expected = [each for each in fake.conversations if fake.conversations[each].start >= 1_778_371_200]
    assert sorted(ids_in(archive)) == sorted(expected)
    assert len(fake.requests("get_conversation")) == len(expected) - before


async def test_windows_of_one_agent_do_not_hide_conversations_of_another(
    client: ConvAIClient, fake: FakeConvAI, archive: Path
) -> None:
    await harvest(client, archive, agent_id=AGENTS[0][0])
    await harvest(client, archive, agent_id=AGENTS[1][0])
    assert 0 < len(ids_in(archive)) < 250
    await harvest(client, archive)
    assert sorted(ids_in(archive)) == sorted(fake.conversations)
    fake.requests.clear()
    await harvest(client, archive, agent_id=AGENTS[2][0], lookback=timedelta(0))
    assert fake.requests("get_conversation") == []
