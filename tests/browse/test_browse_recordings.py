"""The recordings."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientPayloadError, ClientSession, CookieJar, ServerDisconnectedError, web
from archives import rows
from browse_client import open_browser
from s3_server import refuse
from yarl import URL

from convai_async.archive import Archive
from convai_async.browse import serve_archive

if TYPE_CHECKING:
    from pathlib import Path

    from s3_server import Bucket

pytest_plugins = ["browse_fixtures", "s3_fixtures"]


def find_recording(archive: Path) -> tuple[str, bytes]:
    """Return the URL of a recording and its bytes."""
    ((conversation_id, path),) = rows(archive, "SELECT conversation_id, path FROM audio ORDER BY 1 LIMIT 1")
    return f"/conversations/{conversation_id}/recording", (archive.parent / path).read_bytes()


RANGES: list[tuple[str | None, int, slice | None]] = [
    (None, 200, slice(None)),
    ("bytes=0-99", 206, slice(0, 100)),
    ("bytes=100-", 206, slice(100, None)),
    ("bytes=-7", 206, slice(-7, None)),
    ("bytes=5-999999999", 206, slice(5, None)),
    ("bytes=999999999-", 416, None),
    ("bytes=9-2", 416, None),
    ("lines=1-2", 416, None),
]


@pytest.mark.parametrize(("requested", "status", "expected"), RANGES)
async def test_recording_supports_ranges(
    harvested_once: Path, requested: str | None, status: int, expected: slice | None
) -> None:
    await check_range(harvested_once, *find_recording(harvested_once), requested, status, expected)


async def check_range(
    archive: Path, url: str, whole: bytes, requested: str | None, status: int, expected: slice | None
) -> None:
    async with open_browser(archive) as browser:
        headers = {} if requested is None else {"Range": requested}
        response = await browser.get(url, **headers)
        assert response.status == status
        if expected is None:
            assert response.headers["Content-Range"] == f"bytes */{len(whole)}"
            return
        assert await response.read() == whole[expected]
        assert response.headers["Accept-Ranges"] == "bytes"
        assert response.headers["Content-Type"] == "audio/mpeg"
        if status == 206:
            start, stop, _ = expected.indices(len(whole))
            assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
        head = await browser.get(url, method="HEAD", **headers)
        assert (head.status, head.content_length) == (status, len(whole[expected]))
        assert await head.read() == b""


def move_to_bucket(archive: Path, bucket: Bucket) -> str:
    """Move the recordings of an archive to a bucket, and return the key of the first."""
    for path in (archive.parent / "audio").iterdir():
        bucket.put(f"calls/{path.name}", path.read_bytes())
        path.unlink()
    with closing(sqlite3.connect(archive)) as connection, connection:
        connection.execute("UPDATE audio SET path = replace(path, 'audio', ?)", (bucket.url,))
        ((path,),) = connection.execute("SELECT path FROM audio ORDER BY conversation_id LIMIT 1")
    return str(path).removeprefix(f"s3://{bucket.name}/")


@pytest.mark.parametrize(("requested", "status", "expected"), RANGES)
async def test_object_supports_ranges(
    archive_copy: Path, bucket: Bucket, requested: str | None, status: int, expected: slice | None
) -> None:
    url, whole = find_recording(archive_copy)
    move_to_bucket(archive_copy, bucket)
    await check_range(archive_copy, url, whole, requested, status, expected)


async def test_object_is_read_in_pieces(archive_copy: Path, bucket: Bucket) -> None:
    url, _ = find_recording(archive_copy)
    content = os.urandom(2_500_000)
    bucket.put(move_to_bucket(archive_copy, bucket), content)
    async with open_browser(archive_copy) as browser:
        assert "<audio" in await browser.read(url.removesuffix("/recording"))
        bucket.requests.clear()
        assert await (await browser.get(url)).read() == content
        assert bucket.count("GET") == 3


async def test_missing_object_is_not_found(archive_copy: Path, bucket: Bucket) -> None:
    url, _ = find_recording(archive_copy)
    bucket.delete(move_to_bucket(archive_copy, bucket))
    async with open_browser(archive_copy) as browser:
        assert "it was not saved, or it was deleted" in await browser.read(url, 404)


async def test_failing_store_is_explained(archive_copy: Path, bucket: Bucket) -> None:
    url, _ = find_recording(archive_copy)
    move_to_bucket(archive_copy, bucket)

    async def respond(_: web.Request) -> web.Response:
        return refuse(403, "AccessDenied")

    bucket.respond = respond
    async with open_browser(archive_copy) as browser:
        assert "access was denied (status 403): check the credentials" in await browser.read(url, 503)


async def test_object_that_disappears_while_it_is_sent_is_incomplete(archive_copy: Path, bucket: Bucket) -> None:
    url, _ = find_recording(archive_copy)
    bucket.put(move_to_bucket(archive_copy, bucket), os.urandom(2_500_000))

    async def respond(_: web.Request) -> web.Response | None:
        return refuse(404, "NoSuchKey") if bucket.count("GET") == 2 else None

    bucket.respond = respond
    async with open_browser(archive_copy) as browser:
        with pytest.raises((ClientPayloadError, ServerDisconnectedError)):
            await browser.get(url)


async def test_recording_of_a_deleted_conversation_is_not_found(archive_copy: Path) -> None:
    url, _ = find_recording(archive_copy)
    page = url.removesuffix("/recording")
    async with open_browser(archive_copy) as browser:
        assert "<audio" in await browser.read(page)
        with Archive.open(archive_copy) as archive:
            assert archive.delete([page.rpartition("/")[2]]) == 1
        assert "it was not saved, or it was deleted" in await browser.read(url, 404)
        assert "The archive does not contain the conversation" in await browser.read(page, 404)


@pytest.mark.parametrize(
    "path", ["secret.mp3", "audio/../secret.mp3", "/etc/passwd", "audio/link.mp3", "audio/none.mp3"]
)
async def test_recording_outside_of_the_folder_is_not_sent(archive_copy: Path, path: str) -> None:
    url, _ = find_recording(archive_copy)
    secret = archive_copy.parent / "secret.mp3"
    secret.write_text("secret")
    (archive_copy.parent / "audio/link.mp3").symlink_to(secret)
    with closing(sqlite3.connect(archive_copy)) as connection, connection:
        connection.execute("UPDATE audio SET path = ?", (path,))
    async with open_browser(archive_copy) as browser:
        await browser.read(url, 404)
        assert "The file of the recording is not beside the archive." in await browser.read(
            url.removesuffix("/recording")
        )


async def test_server_ends_while_a_recording_is_sent(archive_copy: Path) -> None:
    url, _ = find_recording(archive_copy)
    ((path,),) = rows(archive_copy, "SELECT path FROM audio ORDER BY conversation_id LIMIT 1")
    os.truncate(archive_copy.parent / path, 50_000_000)  # more than the buffers of a connection
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session, asyncio.timeout(60):
        async with serve_archive(archive_copy) as pages:
            await session.get(pages.url)
            response = await session.get(URL(pages.url).origin().with_path(url))
            assert response.status == 200  # and its body is not read
        response.close()


@pytest.mark.parametrize(("stored", "sent"), [("audio/ogg", "audio/ogg"), ("text/html", "audio/mpeg")])
async def test_recording_is_never_sent_as_a_page(archive_copy: Path, stored: str, sent: str) -> None:
    url, _ = find_recording(archive_copy)
    with closing(sqlite3.connect(archive_copy)) as connection, connection:
        connection.execute("UPDATE audio SET content_type = ?", (stored,))
    async with open_browser(archive_copy) as browser:
        assert (await browser.get(url)).headers["Content-Type"] == sent
