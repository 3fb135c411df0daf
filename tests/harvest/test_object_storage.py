"""Recordings are saved in an object store."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import socket
import sys
import traceback
from typing import TYPE_CHECKING

import anyio
import pytest
from aiohttp import web
from archive_file import query
from blockbuster import blockbuster_ctx
from s3_server import TEST_KEY, TEST_SECRET, refuse, set_environment

from convai_async import ConvAIClient
from convai_async.archive import Archive, StoredObject
from convai_async.archive._recordings import _object_storage, _storage
from convai_async.archive._recordings import find as find_recording
from convai_async.archive._recordings._storage import open_storage
from convai_async.errors import ConfigurationError, InvalidArgumentError, StorageError
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI, faults, mp3

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from s3_server import Bucket

pytest_plugins = ["postgres_fixtures", "s3_fixtures"]

LARGE = 12_000_000
"""Bytes of a recording of three parts."""


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=12, audio_bytes=1000) as service:
        yield service


def find_recorded(fake: FakeConvAI) -> list[str]:
    return sorted(filter(fake.conversations.has_audio, fake.conversations))


async def test_recordings_are_uploaded_once_with_their_hash(
    fake: FakeConvAI, client: ConvAIClient, archive: Path, bucket: Bucket
) -> None:
    report = await harvest(client, archive, audio=True, recordings=bucket.url)
    recorded = find_recorded(fake)
    assert (report.recordings, report.failed) == (len(recorded), 0)
    rows = query(archive, "SELECT conversation_id, path, size, sha256, content_type FROM audio ORDER BY 1")
    assert [row[0] for row in rows] == recorded
    for conversation_id, path, size, sha256, content_type in rows:
        assert path == f"{bucket.url}/{conversation_id}.mp3"
        content, headers = bucket.get(f"calls/{conversation_id}.mp3")
        assert content == b"".join(mp3.iter_blocks(size))
        assert hashlib.sha256(content).hexdigest() == sha256 == headers["x-amz-meta-sha256"]
        # The store compares each request with the hash in this header, which is signed.
        assert headers["x-amz-content-sha256"] == sha256
        assert headers["content-type"] == content_type == "audio/mpeg"
    assert not (archive.parent / "audio").exists()
    bucket.requests.clear()
    fake.requests.clear()
    assert (await harvest(client, archive, audio=True, recordings=bucket.url)).recordings == 0
    assert bucket.count("PUT") == 0
    assert fake.requests("get_audio") == []


async def test_large_recording_is_uploaded_in_parts(archive: Path, bucket: Bucket) -> None:
    async with (
        FakeConvAI(conversations=3, audio_bytes=LARGE) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, archive, audio=True, recordings=f"s3://{bucket.name}/", limit=1)
    ((path, size),) = query(archive, "SELECT path, size FROM audio")
    name = path.rpartition("/")[2]
    assert bucket.get(name)[0] == b"".join(mp3.iter_blocks(size))
    assert sum("partNumber=" in each for _, each in bucket.requests) == 3
    assert bucket.get(name)[1]["content-type"] == "audio/mpeg"


async def test_stopped_harvest_uploads_only_what_is_missing(
    fake: FakeConvAI, client: ConvAIClient, archive: Path, bucket: Bucket
) -> None:
    stop = anyio.Event()

    async def stop_after_three(_: web.Request) -> web.Response | None:
        if bucket.count("PUT") == 3:
            stop.set()
        return None

    bucket.respond = stop_after_three
    report = await harvest(client, archive, audio=True, recordings=bucket.url, max_concurrency=1, stop=stop)
    assert report.interrupted
    assert 3 <= report.recordings < len(find_recorded(fake))
    await harvest(client, archive, audio=True, recordings=bucket.url)
    assert sorted(bucket.uploaded()) == [f"calls/{each}.mp3" for each in find_recorded(fake)], "each once"


@pytest.mark.slow
async def test_killed_harvest_is_completed_by_the_next(archive: Path, bucket: Bucket) -> None:
    async with (
        FakeConvAI(conversations=6, audio_bytes=6_000_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        code = (
            "import asyncio, sys\n"
            "from convai_async import ConvAIClient\n"
            "from convai_async.harvest import harvest\n"
            "async def main(key, url, archive, recordings):\n"
            "    async with ConvAIClient(key, base_url=url) as client:\n"
            "        await harvest(client, archive, audio=True, recordings=recordings, max_concurrency=2)\n"
            "asyncio.run(main(*sys.argv[1:]))\n"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, fake.api_key, fake.url, str(archive), bucket.url
        )

        async def kill_at_the_sixth_part(request: web.Request) -> web.Response | None:
            if request.method == "PUT" and bucket.count("PUT") == 6:
                process.kill()
                await process.wait()
            return None

        bucket.respond = kill_at_the_sixth_part
        assert await process.wait() == -signal.SIGKILL
        saved = dict(query(archive, "SELECT conversation_id, path FROM audio"))
        recorded = find_recorded(fake)
        assert bucket.unfinished_uploads > 0
        assert all(f"calls/{each}.mp3" in bucket.keys for each in saved)
        assert len(saved) < len(recorded)
        bucket.requests.clear()
        report = await harvest(client, archive, audio=True, recordings=bucket.url)
        assert (report.recordings, report.failed) == (len(recorded) - len(saved), 0)
        assert not [path for _, path in bucket.requests for each in saved if each in path]
        for conversation_id, size in query(archive, "SELECT conversation_id, size FROM audio"):
            assert bucket.get(f"calls/{conversation_id}.mp3")[0] == b"".join(mp3.iter_blocks(size))
        assert len(bucket.keys) == len(recorded)


def hold_uploads(bucket: Bucket) -> tuple[asyncio.Event, asyncio.Event]:
    """Hold uploads: return an event that is set when one has begun, and one that lets them go on."""
    began, may_go_on = asyncio.Event(), asyncio.Event()

    async def hold(request: web.Request) -> web.Response | None:
        if request.method == "PUT":
            began.set()
            await may_go_on.wait()
        return None

    bucket.respond = hold
    return began, may_go_on


@pytest.mark.parametrize("is_hanging", [False, True])
async def test_cancelled_upload_leaves_nothing(
    archive: Path, bucket: Bucket, is_hanging: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_hanging:
        monkeypatch.setattr(_storage, "_ABORT_SECS", 0.01)
    async with (
        FakeConvAI(conversations=3, audio_bytes=LARGE) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        began, may_go_on = hold_uploads(bucket)
        task = asyncio.create_task(harvest(client, archive, audio=True, recordings=bucket.url, limit=1))
        await began.wait()
        task.cancel()
        if not is_hanging:
            asyncio.get_running_loop().call_later(0.05, may_go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        may_go_on.set()
    assert bucket.keys == []
    assert query(archive, "SELECT * FROM audio") == []
    if not is_hanging:
        assert bucket.unfinished_uploads == 0


async def test_cancelled_upload_in_one_request_is_not_waited_for(
    fake: FakeConvAI, client: ConvAIClient, archive: Path, bucket: Bucket
) -> None:
    began, may_go_on = hold_uploads(bucket)
    task = asyncio.create_task(harvest(client, archive, audio=True, recordings=bucket.url, limit=1))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert query(archive, "SELECT * FROM audio") == []
    may_go_on.set()


async def test_refused_part_ends_the_upload(archive: Path, bucket: Bucket) -> None:
    async with (
        FakeConvAI(conversations=3, audio_bytes=LARGE) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):

        async def refuse_the_second(request: web.Request) -> web.Response | None:
            return refuse(400, "XAmzContentSHA256Mismatch") if "partNumber=2" in request.path_qs else None

        bucket.respond = refuse_the_second
        with pytest.raises(StorageError, match="the store responded with XAmzContentSHA256Mismatch") as caught:
            await harvest(client, archive, audio=True, recordings=bucket.url, limit=1)
    assert not caught.value.retryable
    assert (bucket.keys, bucket.unfinished_uploads) == ([], 0)
    assert query(archive, "SELECT * FROM audio") == []


async def test_server_error_is_repeated(fake: FakeConvAI, client: ConvAIClient, archive: Path, bucket: Bucket) -> None:
    async def fail_at_first(request: web.Request) -> web.Response | None:
        is_first = request.method == "PUT" and bucket.count("PUT") == 1
        return refuse(503, "SlowDown") if is_first else None

    bucket.respond = fail_at_first
    report = await harvest(client, archive, audio=True, recordings=bucket.url)
    assert (report.recordings, report.failed) == (len(find_recorded(fake)), 0)


@pytest.mark.parametrize(
    ("status", "code", "problem"),
    [
        (404, "NoSuchBucket", "it does not exist: create it, or correct the URL"),
        (403, "InvalidAccessKeyId", r"access was denied \(InvalidAccessKeyId\): check the credentials"),
        (400, "ExpiredToken", r"access was denied \(ExpiredToken\): check the credentials"),
        (401, "", r"access was denied \(status 401\): check the credentials"),
        (501, "", "the store responded with status 501"),
    ],
)
async def test_unusable_bucket_is_found_before_anything_is_fetched(
    fake: FakeConvAI, client: ConvAIClient, archive: Path, bucket: Bucket, status: int, code: str, problem: str
) -> None:
    async def respond(_: web.Request) -> web.Response | None:
        return refuse(status, code) if code else web.Response(status=status)

    bucket.respond = respond
    with pytest.raises(StorageError, match=f"^cannot read {bucket.url.rpartition('/')[0]}: {problem}") as caught:
        await harvest(client, archive, audio=True, recordings=bucket.url)
    assert caught.value.retryable == (status >= 500)
    assert fake.requests("get_conversation") == []
    shown = "".join(traceback.format_exception(caught.value))
    assert not [each for each in (TEST_KEY, TEST_SECRET) if each in shown]


async def test_credentials_that_may_only_write_are_enough(
    fake: FakeConvAI, client: ConvAIClient, archive: Path, bucket: Bucket
) -> None:
    async def refuse_reads(request: web.Request) -> web.Response | None:
        return None if request.method in {"PUT", "POST"} else refuse(403, "AccessDenied")

    bucket.respond = refuse_reads
    report = await harvest(client, archive, audio=True, recordings=bucket.url)
    assert report.recordings == len(find_recorded(fake))


async def test_store_that_cannot_be_reached_is_reported(
    client: ConvAIClient, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    set_environment(monkeypatch, f"http://127.0.0.1:{port}")
    with pytest.raises(StorageError, match="the store cannot be reached: check the network") as caught:
        await harvest(client, archive, audio=True, recordings="s3://calls/x")
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("AWS_ALLOW_HTTP", "false", "its endpoint is not https: set AWS_ALLOW_HTTP=true"),
        ("AWS_CHECKSUM_ALGORITHM", "hmac-my-secret", "a setting of the store in the environment is not valid$"),
    ],
)
async def test_invalid_setting_is_reported_without_its_value(
    client: ConvAIClient, archive: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    set_environment(monkeypatch, "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    with pytest.raises(StorageError, match=problem):
        await harvest(client, archive, audio=True, recordings="s3://calls")


async def test_missing_account_and_credentials_are_named(
    client: ConvAIClient, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _object_storage.connect.cache_clear()
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(StorageError, match=r"^cannot use az://calls: no credentials were found: set AZURE_STORAGE"):
        await harvest(client, archive, audio=True, recordings="az://calls")
    assert not archive.exists()


async def test_missing_extra_is_named(client: ConvAIClient, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _object_storage.connect.cache_clear()
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigurationError, match=r"gs://calls need an extra: pip install 'convai-async\[cloud\]'"):
        await harvest(client, archive, audio=True, recordings="gs://calls")
    assert not archive.exists()


@pytest.mark.parametrize(
    "recordings",
    [
        "",
        " ",
        "a\0b",
        b"bytes",
        "s3://",
        "s3://a",
        "ftp://host/x",
        "s3://key:secret@bucket/x",
        "s3://bucket/a//b",
        "s3://bucket/../x",
        "s3://bucket/.",
        "s3://bucket/x?y=1",
        "s3://bucket/%2e",
        "s3://bucket/a b",
    ],
)
async def test_invalid_place_is_refused_without_being_shown(
    client: ConvAIClient, archive: Path, recordings: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^recordings: must be ") as caught:
        await harvest(client, archive, audio=True, recordings=recordings)
    assert "secret" not in str(caught.value)
    assert not archive.exists()


async def test_recordings_are_saved_in_another_folder(
    fake: FakeConvAI, client: ConvAIClient, archive: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "some where"
    await harvest(client, archive, audio=True, recordings=folder)
    recorded = find_recorded(fake)
    assert sorted(folder.iterdir()) == [folder / f"{each}.mp3" for each in recorded]
    paths = dict(query(archive, "SELECT conversation_id, path FROM audio"))
    assert paths == {each: (folder / f"{each}.mp3").as_uri() for each in recorded}
    (folder / f".{recorded[0]}.mp3.x.part").touch()
    (folder / f"{recorded[0]}.mp3").unlink()
    assert (await harvest(client, archive, audio=True)).recordings == 1, "in the usual folder"
    assert query(archive, "SELECT path FROM audio WHERE conversation_id = ?", recorded[0]) == [
        (f"audio/{recorded[0]}.mp3",)
    ]
    await harvest(client, archive, audio=True, recordings=str(folder))
    assert (folder / f".{recorded[0]}.mp3.x.part").exists(), "nothing is missing"


async def test_usual_folder_by_its_name_gives_relative_paths(client: ConvAIClient, archive: Path) -> None:
    await harvest(client, archive, audio=True, recordings=archive.parent / "audio", limit=3)
    paths = [path for (path,) in query(archive, "SELECT path FROM audio")]
    assert paths
    assert all(path.startswith("audio/") for path in paths)


def test_place_is_required_for_an_archive_without_a_file() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^recordings: is required with audio"):
        open_storage(None, None)


async def test_recordings_of_an_archive_in_a_database(
    fake: FakeConvAI, client: ConvAIClient, bucket: Bucket, postgres_url: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^recordings: is required with audio"):
        await harvest(client, postgres_url, audio=True)
    report = await harvest(client, postgres_url, audio=True, recordings=bucket.url)
    recorded = find_recorded(fake)
    assert (report.recordings, report.failed) == (len(recorded), 0)
    assert (await harvest(client, postgres_url, audio=True, recordings=bucket.url)).recordings == 0
    assert sorted(bucket.keys) == [f"calls/{each}.mp3" for each in recorded]

    def delete() -> None:
        with Archive.open(postgres_url) as archive:
            assert {each.recording.path for each in archive.records() if each.recording is not None} == {
                f"{bucket.url}/{each}.mp3" for each in recorded
            }
            assert archive.delete(recorded[:2]) == 2

    await asyncio.to_thread(delete)
    assert sorted(bucket.keys) == [f"calls/{each}.mp3" for each in recorded[2:]]


async def test_recording_that_the_service_does_not_have_is_not_uploaded(
    fake: FakeConvAI, client: ConvAIClient, archive: Path, bucket: Bucket
) -> None:
    fake.faults.add(faults.status(404), operation="get_audio", times=None)
    report = await harvest(client, archive, audio=True, recordings=bucket.url)
    assert (report.recordings, report.failed, bucket.keys) == (0, 0, [])


@pytest.mark.parametrize("size", [1000, LARGE])
async def test_truncated_temporary_file_is_not_uploaded(bucket: Bucket, size: int) -> None:
    recording = open_storage(bucket.url, None).create("conv_1")
    assert isinstance(recording, _storage._Upload)
    recording.write(bytes(size))
    assert recording._file is not None
    recording._file.truncate(size // 2)
    with pytest.raises(OSError, match="the temporary file of a recording is not complete any more"):
        await recording.save("audio/mpeg")
    recording.discard()
    recording.write(b"more")
    assert recording.size == size, "a thread that goes on writes nothing"
    assert (bucket.keys, bucket.unfinished_uploads) == ([], 0)


async def test_uploads_and_reads_never_block_the_event_loop(archive: Path, bucket: Bucket) -> None:
    async with (
        FakeConvAI(conversations=6, audio_bytes=6_000_000) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        with blockbuster_ctx("convai_async"):
            await harvest(client, archive, audio=True, recordings=bucket.url)
            found = find_recording(None, find_recorded(fake)[0], f"{bucket.url}/{find_recorded(fake)[0]}.mp3")
            assert isinstance(found, StoredObject)
            assert await found.get_size() == 6_000_000
            assert len(await found.read(10, 20)) == 10
