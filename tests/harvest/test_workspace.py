"""An archive belongs to one workspace, although the service does not say whose key it is asked with."""

from __future__ import annotations

import logging
import shlex
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from threaded_service import ThreadedService

from convai_async import ConvAIClient
from convai_async.archive import Archive, ArchiveError, Window, store_conversation
from convai_async.archive._records import DeletionUpdate, decode_update
from convai_async.archive._writer import ArchiveWriter
from convai_async.cli._app import run
from convai_async.harvest import harvest
from convai_async.models import Conversation, ConversationSummary
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SOURCE = "https://api.elevenlabs.io"
EVERYTHING = timedelta(days=10_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "my calls.db"


@pytest.fixture
async def first() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=12, seed=1, api_key="key-of-the-first") as service:
        yield service


@pytest.fixture
async def second() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=5, seed=2, api_key="key-of-the-second") as service:
        yield service


async def harvest_from(service: FakeConvAI, path: Path, *, same_workspace: bool = False) -> int:
    async with ConvAIClient(service.api_key, base_url=service.url, retry=None) as client:
        report = await harvest(
            client, path, source=SOURCE, lookback=EVERYTHING, prune="remove", same_workspace=same_workspace
        )
    return report.fetched


def ids_in(path: Path) -> set[str]:
    with Archive.open(path) as archive:
        return {record.conversation_id for record in archive.records()}


def fill_without_key(service: FakeConvAI, path: Path) -> None:
    """As an import, webhooks and older versions do."""
    with ArchiveWriter(path, SOURCE) as writer:
        writer.store(
            [
                decode_update(ConversationSummary(conversation_id=each), service.conversations.document(each))
                for each in service.conversations
            ]
        )


async def test_second_workspace_is_refused_and_leaves_the_archive_as_it_was(
    first: FakeConvAI, second: FakeConvAI, path: Path
) -> None:
    assert await harvest_from(first, path) == 12
    with pytest.raises(ArchiveError, match=r"filled with another API key\. Use another archive .*--same-workspace"):
        await harvest_from(second, path)
    assert second.requests == []
    assert ids_in(path) == set(first.conversations)
    first.requests.clear()
    assert await harvest_from(first, path) == 0
    assert first.requests("get_conversation") == [], "a known key needs no evidence"


async def test_replaced_key_is_accepted_once_with_same_workspace_and_then_known(first: FakeConvAI, path: Path) -> None:
    await harvest_from(first, path)
    first.api_key = "a-new-key"
    with pytest.raises(ArchiveError, match="another API key"):
        await harvest_from(first, path)
    assert await harvest_from(first, path, same_workspace=True) == 0
    assert await harvest_from(first, path) == 0
    first.api_key = "key-of-the-first"
    with pytest.raises(ArchiveError, match="another API key"):
        await harvest_from(first, path)


async def test_same_workspace_binds_an_unknown_workspace_with_a_warning(
    first: FakeConvAI, second: FakeConvAI, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await harvest_from(first, path)
    with caplog.at_level(logging.WARNING, "convai_async"):
        async with ConvAIClient(second.api_key, base_url=second.url, retry=None) as client:
            await harvest(client, path, source=SOURCE, same_workspace=True)
    assert "the service has none of the 10 newest conversations of" in caplog.text
    assert ids_in(path) > set(first.conversations)


async def test_archive_filled_without_a_key_is_bound_if_the_service_has_its_conversations(
    first: FakeConvAI, second: FakeConvAI, path: Path
) -> None:
    fill_without_key(first, path)
    with pytest.raises(
        ArchiveError,
        match=r"has none of the 10 newest conversations of .*: the API key seems to belong to another workspace",
    ) as raised:
        await harvest_from(second, path)
    assert f"`convai-async harvest {shlex.quote(str(path))} --same-workspace`" in str(raised.value)
    assert {request.operation for request in second.requests} == {"get_conversation"}
    assert ids_in(path) == set(first.conversations)
    await harvest_from(first, path)
    with pytest.raises(ArchiveError, match="another API key"):
        await harvest_from(second, path)


async def test_conversations_marked_as_deleted_do_not_bind_an_archive(first: FakeConvAI, path: Path) -> None:
    fill_without_key(first, path)
    with ArchiveWriter(path, SOURCE) as writer:
        writer.store([DeletionUpdate(each) for each in list(first.conversations)[:-1]])
    await harvest_from(first, path)
    oldest = list(first.conversations)[-1]
    asked = [request for request in first.requests if request.operation != "list_conversations"]
    assert asked[0].path.endswith(oldest)


async def test_archive_is_bound_if_the_service_has_one_of_its_ten_newest_conversations(
    first: FakeConvAI, path: Path
) -> None:
    newest = max(first.conversations[each].start for each in first.conversations)
    unknown = [f"conv_gone_{number}" for number in range(8)] + [".."]
    with ArchiveWriter(path, SOURCE) as writer:
        writer.store(
            [
                decode_update(ConversationSummary(conversation_id=each, start_time_unix_secs=newest + 1), b"{")
                for each in unknown
            ]
        )
    fill_without_key(first, path)
    async with ConvAIClient(first.api_key, base_url=first.url, retry=None) as client:
        await harvest(client, path, source=SOURCE)
    assert ids_in(path) >= set(first.conversations)


def test_empty_archive_is_bound_to_another_key_and_forgets_its_windows(path: Path) -> None:
    with ArchiveWriter(path, SOURCE, hash_api_key=lambda _: b"one") as writer:
        writer.store([], [Window(5, 9)])
        assert writer.is_bound
    with ArchiveWriter(path, SOURCE, hash_api_key=lambda _: b"one") as writer:
        assert writer.get_windows("") == [Window(5, 9)]
    with ArchiveWriter(path, SOURCE, hash_api_key=lambda _: b"other") as writer:
        assert writer.is_bound
        assert writer.get_windows("") == []


def test_empty_archive_takes_another_source_and_forgets_its_windows(path: Path) -> None:
    with ArchiveWriter(path, "https://wrong.example", hash_api_key=lambda _: b"one") as writer:
        writer.store([], [Window(5, 9)])
    with ArchiveWriter(path, SOURCE) as writer:
        assert writer.get_windows("") == []


async def test_file_holds_a_salted_hash_and_not_the_key(first: FakeConvAI, path: Path) -> None:
    other = path.with_name("other.db")
    await harvest_from(first, path)
    await harvest_from(first, other)
    assert first.api_key.encode() not in path.read_bytes()
    hashes = []
    for each in (path, other):
        with ArchiveWriter(each, SOURCE) as writer:
            hashes += writer._connection.execute("SELECT key_salt, key_fingerprint FROM archive").fetchall()
    assert [(len(salt), len(kept)) for salt, kept in hashes] == [(16, 32), (16, 32)]
    assert hashes[0][1] != hashes[1][1]


async def test_webhooks_are_stored_in_a_bound_archive(first: FakeConvAI, path: Path) -> None:
    await harvest_from(first, path)
    store_conversation(path, Conversation(conversation_id="conv_new"), source=SOURCE)
    assert "conv_new" in ids_in(path)


def test_deleting_with_another_workspaces_key_deletes_nothing_anywhere(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with ThreadedService(conversations=3, api_key="key-of-the-first") as service:
        address = ["--base-url", service.url]
        monkeypatch.setenv("ELEVENLABS_API_KEY", service.api_key)
        assert run(["harvest", str(path), *address]) == 0
        kept, removed, *_ = service.conversations
        service.api_key = "key-of-the-second"
        service.requests.clear()
        monkeypatch.setenv("ELEVENLABS_API_KEY", service.api_key)
        assert run(["delete", kept, "--yes", "--archive", str(path), *address]) == 2
        assert "filled with another API key" in capfd.readouterr().err
        assert service.requests == []
        assert kept in ids_in(path)
        assert run(["harvest", str(path), "--same-workspace", *address]) == 0
        assert run(["delete", removed, "--yes", "--archive", str(path), *address]) == 0
        assert removed not in ids_in(path)
