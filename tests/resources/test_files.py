"""`client.conversations.files`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from convai_async.errors import InvalidArgumentError, NotFoundError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI


CONTENT = bytes(range(256)) * 1000


async def iter_chunks() -> AsyncIterator[bytes]:
    for start in range(0, len(CONTENT), 10_000):
        yield CONTENT[start : start + 10_000]


@pytest.mark.parametrize(
    "make",
    [lambda: CONTENT, lambda: io.BytesIO(CONTENT), iter_chunks],
    ids=["bytes", "file", "async iterable"],
)
async def test_file_is_uploaded_unchanged_and_deleted(client: ConvAIClient, fake: FakeConvAI, make: Any) -> None:
    conversation_id = next(iter(fake.conversations))
    uploaded = await client.conversations.files.create(conversation_id, make(), filename="a.png")
    assert fake.files == {(conversation_id, uploaded.file_id): CONTENT}
    assert fake.requests[-1].headers["content-type"].startswith("multipart/form-data; boundary=")
    await client.conversations.files.delete(conversation_id, uploaded.file_id)
    assert fake.files == {}
    with pytest.raises(NotFoundError, match="file_not_found"):
        await client.conversations.files.delete(conversation_id, uploaded.file_id)


@pytest.mark.parametrize("as_text", [True, False])
async def test_file_can_be_a_path_which_gives_the_file_name(
    client: ConvAIClient, fake: FakeConvAI, tmp_path: Path, as_text: bool
) -> None:
    path = tmp_path / "receipt.pdf"
    path.write_bytes(CONTENT)
    conversation_id = next(iter(fake.conversations))
    await client.conversations.files.create(conversation_id, str(path) if as_text else path)
    assert list(fake.files.values()) == [CONTENT]


async def test_media_type_that_the_service_rejects_raises_validation_error(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    with pytest.raises(ValidationError, match="Images, PDFs and text files"):
        await client.conversations.files.create(next(iter(fake.conversations)), b"PK", filename="a.zip")


@pytest.mark.parametrize(
    ("arguments", "parameter", "problem"),
    [
        ({"file": b"x"}, "filename", "is required, such as"),
        ({"file": b"\0", "filename": "noextension"}, "content_type", "does not determine it"),
        ({"file": io.StringIO("x"), "filename": "a.png"}, "file", "must be opened in binary mode"),
        ({"file": "missing.png"}, "file", "does not exist"),
    ],
)
async def test_invalid_file_is_refused_by_name_before_anything_is_sent(
    client: ConvAIClient, fake: FakeConvAI, arguments: Any, parameter: str, problem: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{parameter}: .*{problem}"):
        await client.conversations.files.create("conv_1", **arguments)
    assert fake.requests == []


async def test_folder_is_refused_as_a_file(client: ConvAIClient, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^file: .*is a folder: pass the path of a file"):
        await client.conversations.files.create("conv_1", tmp_path, filename="a.png")


async def test_file_name_can_be_in_any_script(client: ConvAIClient, fake: FakeConvAI) -> None:
    uploaded = await client.conversations.files.create(next(iter(fake.conversations)), b"x", filename="квитанция 1.pdf")
    assert uploaded.file_id


async def test_large_file_is_uploaded_without_a_warning_of_aiohttp(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    content = bytes(range(256)) * 12_000
    uploaded = await client.conversations.files.create(conversation_id, content, filename="a.pdf")
    assert fake.files[conversation_id, uploaded.file_id] == content


async def test_get_streams_the_uploaded_file(client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    uploaded = await client.conversations.files.create(conversation_id, b"\x89PNG" * 1000, filename="a.png")
    async with client.conversations.files.get(conversation_id, uploaded.file_id) as stream:
        assert stream.content_length == 4000
        assert b"".join([chunk async for chunk in stream]) == b"\x89PNG" * 1000
    with pytest.raises(NotFoundError):
        await client.conversations.files.get(conversation_id, "file_none").__aenter__()
