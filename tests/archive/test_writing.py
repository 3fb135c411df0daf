"""`Archive` writes: add, delete, import_ and lock."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from archives import SQLITE_ONLY

from convai_async.archive import Archive, ArchiveBusyError, ArchiveError
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import InvalidArgumentError
from convai_async.models import Conversation, TranscriptTurn

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["archive_fixtures"]

SOURCE = "https://api.elevenlabs.io"
OTHER = "https://api.eu.example"
DATA = Path(__file__).parents[1] / "data"


def conversation(conversation_id: str, *messages: str) -> Conversation:
    turns = tuple(TranscriptTurn(role="user", message=message) for message in messages)
    return Conversation(conversation_id=conversation_id, agent_id="agent_1", status="done", transcript=turns)


@pytest.fixture
def archive(path: Path | str) -> Any:
    with Archive.open(path, create=True, source=SOURCE) as opened:
        opened.add(conversation("conv_1", "a refund please"))
        yield opened


def make_hasher(key: bytes) -> Callable[[bytes], bytes]:
    return lambda salt: hashlib.sha256(salt + key).digest()


def test_first_write_makes_the_archive_and_the_same_archive_reads_it(path: Path | str) -> None:
    with Archive.open(path, create=True, source=SOURCE) as archive:
        with pytest.raises(ArchiveError, match="there is no archive"):
            archive.status()
        archive.add(conversation("conv_1", "a refund please"))
        archive.add(conversation("conv_2", "a kettle"))
        assert archive.source == SOURCE
        assert archive.delete(["conv_1", "conv_none"]) == 1
        assert [each.conversation_id for each in archive.conversations()] == ["conv_2"]
    if isinstance(path, Path):
        assert b"refund" not in path.read_bytes()


def test_archive_opened_without_source_writes_with_its_own_source(archive: Archive, path: Path | str) -> None:
    with Archive.open(path) as reopened:
        reopened.add(conversation("conv_2", "a kettle"))
        assert reopened.delete(iter(["conv_1"])) == 1
    assert [each.conversation_id for each in archive.conversations()] == ["conv_2"]


def test_added_conversation_does_not_replace_a_more_complete_one(archive: Archive) -> None:
    archive.add(conversation("conv_1"))
    assert len(archive.get("conv_1").transcript) == 1
    archive.add(conversation("conv_1", "a refund please", "now"))
    assert len(archive.get("conv_1").transcript) == 2


def test_adding_something_else_than_a_conversation_is_refused_by_name(archive: Archive) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^conversation: must be a Conversation, not dict"):
        archive.add({"conversation_id": "conv_1"})  # type: ignore[arg-type]


def test_adding_to_a_new_archive_without_source_is_refused_and_makes_no_file(path: Path | str, tmp_path: Path) -> None:
    with Archive.open(path, create=True) as archive:
        with pytest.raises(
            (InvalidArgumentError, ArchiveError), match=r"^source: .*pass it to Archive\.open|no archive"
        ):
            archive.add(conversation("conv_1"))
        with pytest.raises(ArchiveError, match="there is no archive"):
            archive.status()
    assert list(tmp_path.iterdir()) == []


@SQLITE_ONLY
@pytest.mark.parametrize("options", [{}, {"source": SOURCE}])
def test_file_that_does_not_exist_is_refused_unless_it_may_be_created(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ArchiveError, match="there is no archive"):
        Archive.open(path, **options)
    assert list(path.parent.iterdir()) == []


def test_archive_of_another_service_is_refused_by_every_write(
    archive: Archive, path: Path | str, tmp_path: Path
) -> None:
    archive.export(tmp_path / "calls.jsonl")
    with Archive.open(path, source=OTHER) as other:
        for write in (
            lambda: other.add(conversation("conv_2")),
            lambda: other.delete(["conv_1"]),
            lambda: other.lock().__enter__(),
        ):
            with pytest.raises(ArchiveError, match=f"from {SOURCE}, not from {OTHER}: choose another "):
                write()
        with pytest.raises(
            ArchiveError, match=rf"calls\.jsonl' contains conversations from {SOURCE}, not from {OTHER}"
        ):
            other.import_(tmp_path / "calls.jsonl")
    assert archive.status().conversations == 1


def test_import_into_a_new_archive_with_another_source_is_refused_and_makes_no_file(
    archive: Archive, tmp_path: Path
) -> None:
    archive.export(tmp_path / "calls.jsonl")
    new = tmp_path / "new.db"
    with (
        Archive.open(new, create=True, source=OTHER) as other,
        pytest.raises(ArchiveError, match=f"contains conversations from {SOURCE}, not from {OTHER}"),
    ):
        other.import_(tmp_path / "calls.jsonl")
    assert not new.exists()


@SQLITE_ONLY
@pytest.mark.parametrize("version", [1, 2, 3])
def test_write_brings_an_archive_of_an_older_version_up_to_date(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / f"archive-schema-{version}.sql").read_text())
        (first,) = connection.execute("SELECT conversation_id FROM conversations").fetchone()
    with pytest.raises(ArchiveError, match="older convai_async"):
        Archive.open(path)
    with Archive.open(path, source="sandbox:4") as archive:
        with pytest.raises(ArchiveError, match="older convai_async"):
            archive.status()
        assert archive.delete([first]) == 1
        assert first not in {each.conversation_id for each in archive.records()}


def test_one_string_instead_of_ids_is_refused(archive: Archive) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^conversation_ids: must be a list of ids"):
        archive.delete("conv_1")
    assert archive.status().conversations == 1


def test_id_that_is_not_text_is_refused_by_name_and_nothing_is_deleted(archive: Archive) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^conversation_ids: "):
        archive.delete(["conv_1", "\udcff"])
    assert archive.status().conversations == 1


def test_lock_keeps_others_from_deleting_and_lets_them_add(archive: Archive, path: Path | str) -> None:
    with Archive.open(path) as other:
        with archive.lock():
            for write in (lambda: other.delete(["conv_1"]), lambda: other.lock().__enter__()):
                with pytest.raises(ArchiveBusyError, match="another process is writing"):
                    write()
            other.add(conversation("conv_2", "meanwhile"))
            with archive.lock():
                archive.add(conversation("conv_3", "within"))
            assert archive.delete(["conv_1"]) == 1
        assert other.delete(["conv_2"]) == 1
    assert [each.conversation_id for each in archive.conversations()] == ["conv_3"]


def test_lock_refuses_an_archive_that_is_bound_to_another_key(path: Path | str) -> None:
    with ArchiveWriter(path, SOURCE, hash_api_key=make_hasher(b"key 1")):
        pass
    with Archive.open(path) as archive:
        archive.add(conversation("conv_1"))
        with archive.lock(hash_api_key=make_hasher(b"key 1")):
            pass
        with pytest.raises(ArchiveError, match="was filled with another API key"):
            archive.lock(hash_api_key=make_hasher(b"key 2")).__enter__()


USES: list[Callable[[Archive], object]] = [
    lambda archive: archive.status(),
    lambda archive: archive.add(conversation("conv_2")),
    lambda archive: archive.delete(["conv_1"]),
    lambda archive: archive.lock().__enter__(),
]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("options", [{}, {"source": SOURCE}, {"create": True, "source": SOURCE}])
def test_closed_archive_is_refused(
    archive: Archive, path: Path | str, use: Callable[[Archive], object], options: dict[str, Any]
) -> None:
    with Archive.open(path, **options) as opened:
        pass
    opened.close()
    with pytest.raises(ArchiveError, match=r"is closed: open it again with Archive\.open"):
        use(opened)
    assert archive.status().conversations == 1
