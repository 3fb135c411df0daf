"""Recordings of an archive in other folders and in object stores: found, deleted, exported and imported."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from archives import ALL, SOURCE, build_update, import_file, rows
from s3_server import refuse

from convai_async.archive import Archive, ArchiveError, StoredObject
from convai_async.archive._recordings import find as find_recording
from convai_async.archive._recordings import get_file_name
from convai_async.archive._records import Recording, RecordingUpdate
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web
    from s3_server import Bucket

pytest_plugins = ["s3_fixtures"]


def store(archive: Path, paths: dict[str, str | None]) -> None:
    """Make an archive of conversations with these recordings."""
    with ArchiveWriter(archive, SOURCE) as writer:
        writer.store([build_update(each, has_audio=True) for each in paths])
        writer.store(
            [
                RecordingUpdate(each, Recording(path, 3, "x", "audio/mpeg"))
                for each, path in paths.items()
                if path is not None
            ]
        )


async def delete(archive: Path, *ids: str) -> int:
    def run() -> int:
        with Archive.open(archive) as opened:
            return opened.delete(ids)

    return await asyncio.to_thread(run)  # the event loop serves the bucket


async def test_delete_removes_objects(archive: Path, bucket: Bucket) -> None:
    for name in ("a.mp3", "b.mp3", "c.mp3", "a%2Fb.mp3"):
        bucket.put(f"calls/{quote(name)}", b"ID3")
    store(archive, {each: f"{bucket.url}/{get_file_name(each)}" for each in ("a", "b", "a/b")} | {"c": None})
    assert await delete(archive, "a", "a/b") == 2
    assert bucket.keys == ["calls/b.mp3", "calls/c.mp3"]
    assert await delete(archive, "c") == 1
    assert bucket.keys == ["calls/b.mp3"], "also one whose upload ended when its harvest was killed"
    bucket.delete("calls/b.mp3")
    assert await delete(archive, "b") == 1
    assert rows(archive, "SELECT * FROM audio") == []


async def test_conversation_stays_if_its_object_cannot_be_deleted(archive: Path, bucket: Bucket) -> None:
    store(archive, {"a": f"{bucket.url}/a.mp3"})

    async def respond(_: web.Request) -> web.Response:
        return refuse(403, "AccessDenied")

    bucket.respond = respond
    with pytest.raises(StorageError, match=r"^cannot delete from s3://bucket-\w+: access was denied \(AccessDenied\)"):
        await delete(archive, "a")
    assert rows(archive, "SELECT conversation_id FROM conversations JOIN audio USING (conversation_id)") == [("a",)]


async def test_missing_objects_and_missing_buckets_are_told_apart(
    archive: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other stores respond with 404 for an object that is missing."""
    monkeypatch.setenv("AWS_DISABLE_BULK_DELETE", "true")
    store(archive, {each: f"{bucket.url}/{each}.mp3" for each in "abc"})
    code = "NoSuchKey"

    async def respond(request: web.Request) -> web.Response | None:
        return None if request.path.endswith("/b.mp3") else refuse(404, code)

    bucket.put("calls/b.mp3", b"ID3")
    bucket.respond = respond
    assert await delete(archive, "a", "b") == 2
    assert bucket.keys == []
    code = "NoSuchBucket"
    with pytest.raises(StorageError, match="it does not exist"):
        await delete(archive, "c")


HOSTILE = [
    "s3://bucket/b.mp3",
    "s3://bucket/calls",
    "s3://bucket/../a.mp3",
    "s3://bucket/x/../a.mp3",
    "s3://bucket?x=/a.mp3",
    "https://host/a.mp3",
    "s3:///a.mp3",
    "file:///tmp/b.mp3",
    "file://host/tmp/a.mp3",
    "file:///tmp/../a.mp3",
    "file:a.mp3",
    "S3://bucket/a.mp3",
    "s3://bucket/a.mp3\n",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_url_that_is_not_of_the_conversation_is_not_used(archive: Path, path: str) -> None:
    assert find_recording(archive, "a", path) is None
    store(archive, {"a": path})
    with Archive.open(archive) as opened:
        opened.export(archive.with_name("a.jsonl"))
        assert opened.delete(["a"]) == 1, "and no object is deleted"
    with pytest.raises(ArchiveError, match="names no recording of its conversation"):
        import_file(archive.with_name("b.db"), archive.with_name("a.jsonl"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket/a.mp3", StoredObject("s3", "bucket", "a.mp3")),
        ("gs://my_bucket.example/calls/2026/a.mp3", StoredObject("gs", "my_bucket.example", "calls/2026/a.mp3")),
        ("az://container/a=b+c/a.mp3", StoredObject("az", "container", "a=b+c/a.mp3")),
    ],
)
def test_object_is_found_by_its_url(url: str, expected: StoredObject) -> None:
    assert find_recording(None, "a", url) == expected
    assert expected.url == url


def test_relative_path_is_found_only_beside_a_file() -> None:
    assert find_recording(None, "a", "audio/a.mp3") is None


def test_exported_urls_are_imported(archive: Path) -> None:
    urls = {"a": "s3://bucket/calls/a.mp3", "b": (archive.parent / "b c" / "b.mp3").as_uri()}
    store(archive, dict(urls))
    copy, exported = archive.with_name("copy.db"), archive.with_name("a.jsonl")
    with Archive.open(archive) as opened:
        opened.export(exported)
    assert import_file(copy, exported) == 2
    assert dict(rows(copy, "SELECT conversation_id, path FROM audio")) == urls


def test_missing_recordings_are_those_without_a_row_or_a_file(archive: Path) -> None:
    file = archive.parent / "there.mp3"
    file.touch()
    store(
        archive,
        {
            "there": file.as_uri(),
            "removed": (archive.parent / "removed.mp3").as_uri(),
            "object": "s3://bucket/calls/object.mp3",
            "hostile": "s3://bucket/calls/there.mp3",
            "none": None,
        },
    )
    with ArchiveWriter(archive, SOURCE) as writer:
        assert sorted(writer.find_missing_audio(ALL, ask_again_since=0)) == ["hostile", "none", "removed"]


def test_files_of_another_folder_are_deleted(archive: Path) -> None:
    folder = archive.parent / "some where"
    folder.mkdir()
    for name in ("a.mp3", "b.mp3", "c.mp3"):
        (folder / name).touch()
    store(archive, {"a": (folder / "a.mp3").as_uri(), "b": (folder / "b.mp3").as_uri(), "c": None})
    with Archive.open(archive) as opened:
        assert opened.delete(["a", "c"]) == 2
    assert [file.name for file in folder.iterdir()] == ["b.mp3"]
