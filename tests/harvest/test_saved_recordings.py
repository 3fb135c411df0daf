"""Recordings are saved beside the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archive_file import query

from convai_async import ConvAIClient
from convai_async.archive import Archive
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI, faults, mp3

if TYPE_CHECKING:
    from pathlib import Path


async def test_recordings_are_saved_beside_the_archive_once(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=20, audio_bytes=1000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        report = await harvest(client, archive, audio=True)
        recorded = sorted(filter(fake.conversations.has_audio, fake.conversations))
        assert 0 < len(recorded) < 20
        assert report.recordings == len(recorded)
        rows = query(archive, "SELECT conversation_id, path, size FROM audio ORDER BY conversation_id")
        assert [row[0] for row in rows] == recorded
        assert all((archive.parent / path).read_bytes() == b"".join(mp3.iter_blocks(size)) for _, path, size in rows)
        fake.requests.clear()
        report = await harvest(client, archive, audio=True)
        assert (report.fetched, report.recordings) == (0, 0)
        assert fake.requests("get_audio") == []


async def test_later_run_with_audio_saves_recordings_and_fetches_nothing_else(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=20, audio_bytes=1000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive)
        report = await harvest(client, archive, audio=True)
        recorded = list(filter(fake.conversations.has_audio, fake.conversations))
        assert (report.recordings, report.fetched) == (len(recorded), 0)


async def test_missing_recording_is_not_a_failure_and_is_requested_again_within_the_lookback(
    archive: Path,
) -> None:
    async with (
        FakeConvAI(conversations=60, audio_bytes=100) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        fake.faults.add(faults.status(404), operation="get_audio", times=None)
        report = await harvest(client, archive, audio=True)
        assert (report.recordings, report.failed) == (0, 0)
        fake.faults.clear()
        report = await harvest(client, archive, audio=True)
        newest = fake.conversations[next(iter(fake.conversations))].start
        recent = [
            each
            for each in fake.conversations
            if fake.conversations.has_audio(each) and fake.conversations[each].start >= newest - 3 * 86_400
        ]
        assert report.recordings == len(recent) > 0


async def test_failed_recording_keeps_its_transcript_and_is_requested_again(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=20, audio_bytes=100) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        recorded = [each for each in fake.conversations if fake.conversations.has_audio(each)]
        fake.faults.add(faults.status(403), operation="get_audio", times=None)
        report = await harvest(client, archive, audio=True)
        assert (report.fetched, report.failed) == (20, len(recorded))
        with Archive.open(archive) as opened:
            assert {failure.part for failure in opened.failures()} == {"audio"}
        fake.faults.clear()
        report = await harvest(client, archive, audio=True)
        assert (report.fetched, report.recordings, report.failed) == (0, len(recorded), 0)
        (archive.parent / "audio" / f"{recorded[0]}.mp3").unlink()
        (archive.parent / "audio" / f".{recorded[0]}.mp3.x.part").touch()
        report = await harvest(client, archive, audio=True)
        assert report.recordings == 1, "the one that somebody removed"
        assert not list((archive.parent / "audio").glob(".*")), "what a killed process left behind is tidied up"


async def test_recording_that_a_proxy_answers_with_404_is_saved_by_the_next_run(archive: Path) -> None:
    async with (
        FakeConvAI(conversations=60, audio_bytes=100) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        fake.faults.add(faults.html(404), operation="get_audio", times=None)
        report = await harvest(client, archive, audio=True)
        recorded = [each for each in fake.conversations if fake.conversations.has_audio(each)]
        assert (report.recordings, report.failed) == (0, len(recorded))
        fake.faults.clear()
        assert (await harvest(client, archive, audio=True)).recordings == len(recorded)
