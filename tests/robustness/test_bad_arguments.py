"""Invalid arguments raise an error that names them before anything is sent; unusual valid ones are sent unchanged."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from every_endpoint import EXAMPLES, Existing, build_request, find_id_fields

from convai_async import ConvAIClient, ConvAIError, RetryPolicy
from convai_async.errors import ConfigurationError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from convai_async.testing import FakeConvAI

HALF = "\ud800"
"""A lone surrogate, which UTF-8 cannot encode; it can come from JSON and from the command line."""


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.elevenlabs.io",
        "ftp://host",
        "http://",
        "http://[::1",
        "http://[bad]",
        "http://host:99999",
        "http://host:abc",
        "http://host:-1",
        "http://host:0",
        "http://a..b",
        "http://.",
        "http://" + "a" * 300,
        "http://a\nb",
        "http://a b",
        "http://hö.example",
        "http://host?",
        "http://host/#",
        "https://user:the_password@host",
        "ftp://user:the_password@host",
        "https//user:the_password@host",
        5,
        b"http://host",
    ],
)
def test_invalid_base_url_raises_configuration_error_without_its_password(base_url: Any) -> None:
    with pytest.raises(ConfigurationError, match="base_url must") as caught:
        ConvAIClient("key", base_url=base_url)
    assert "the_password" not in str(caught.value)


@pytest.mark.parametrize("base_url", ["http://[::1]:8080", "https://host/a/path/", "http://127.0.0.1", "HTTPS://HOST"])
def test_valid_base_url_is_accepted(base_url: str) -> None:
    assert ConvAIClient("key", base_url=base_url).base_url == base_url.rstrip("/")


@pytest.mark.parametrize(
    "settings",
    [
        {"headers": {"x": "a\r\nxi-api-key: b"}},
        {"headers": {"x\r\ny": "a"}},
        {"headers": {"x: y": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"x": 1}},
        {"headers": {"x": None}},
        {"headers": {5: "x"}},
        {"headers": {"x": HALF}},
        {"max_concurrency": 1.5},
        {"max_concurrency": math.nan},
        {"max_response_bytes": "1"},
        {"max_memory_bytes": 0},
        {"max_stream_bytes": None},
        {"min_stream_rate": -1},
        {"min_stream_rate": 0.5},
        {"timeout": math.nan},
        {"api_key": 5},
        {"api_key": b"key"},
        {"api_key": "a key"},
        {"api_key": "key\r\nx: y"},
        {"api_key": "schlüssel"},
    ],
)
def test_invalid_client_setting_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises((InvalidArgumentError, ConfigurationError)):
        ConvAIClient(**{"api_key": "key", **settings})


@pytest.mark.parametrize("settings", [{"attempts": math.nan}, {"attempts": 1.5}, {"wait_max": None}, {"timeout": "1"}])
def test_invalid_retry_policy_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        RetryPolicy(**settings)


async def iter_text() -> AsyncIterator[str]:
    yield "text"


INVALID_ARGUMENTS: dict[str, Callable[[ConvAIClient], Any]] = {
    "method with a space": lambda client: client.request("G T", "/v1"),
    "method with a line break": lambda client: client.request("GET\r\nx: y", "/v1"),
    "method that is not ASCII": lambda client: client.request("GÉT", "/v1"),
    "method that is not text": lambda client: client.request(5, "/v1"),  # type: ignore[arg-type]
    "path that is not text": lambda client: client.request("GET", b"/v1"),  # type: ignore[arg-type]
    "query that is not a dict": lambda client: client.request("GET", "/v1", query="a=b"),  # type: ignore[arg-type]
    "file name that is not text": lambda client: client.conversations.files.create("c", b"", filename=5),  # type: ignore[arg-type]
    "lone surrogate in a query name": lambda client: client.request("GET", "/v1", query={HALF: "x"}),
    "query name that is not text": lambda client: client.request("GET", "/v1", query={5: "x"}),  # type: ignore[dict-item]
    "lone surrogate in JSON": lambda client: client.request("POST", "/v1", json=HALF),
    "query in the path": lambda client: client.request("GET", "/v1?x=y"),
    "line break in the path": lambda client: client.request("GET", "/v1\r\nx: y"),
    "lone surrogate in an id": lambda client: client.conversations.get(HALF),
    "line break in an id": lambda client: client.conversations.get("conv_1\r\nx: y"),
    "relative path segment as an id": lambda client: client.conversations.get(".."),
    "lone surrogate in a cursor": lambda client: anext(client.conversations.list().pages(cursor=HALF)),
    "lone surrogate in a filter": lambda client: client.conversations.list(user_id=HALF).collect(),
    "empty name in a list of names": lambda client: client.conversations.list(tool_names=["a", ""]).collect(),
    "blank search text": lambda client: client.conversations.messages.text_search("  ").collect(),
    "time that is too large": lambda client: client.conversations.list(call_start_after_unix=10**400).collect(),
    "time that is not a number": lambda client: client.conversations.list(call_start_after_unix=math.nan).collect(),
    "number that is too large": lambda client: client.conversations.list(rating_min=10**5000).collect(),
    "lone surrogate in a description": lambda client: client.conversations.tags.create("a", description=HALF),
    "description that is not text": lambda client: client.conversations.tags.create("a", description=object()),  # type: ignore[arg-type]
    "lone surrogate in a title": lambda client: client.conversations.tags.update("tag_1", title=HALF),
    "file that is None": lambda client: client.conversations.files.create("c", None, filename="a.pdf"),  # type: ignore[arg-type]
    "file that yields text": lambda client: client.conversations.files.create("c", iter_text(), filename="a.pdf"),  # type: ignore[arg-type]
    "blank file name": lambda client: client.conversations.files.create("c", b"", filename=" "),
    "lone surrogate in a file name": lambda client: client.conversations.files.create("c", b"", filename=HALF),
    "media type with a line break": lambda client: client.conversations.files.create(
        "c", b"", filename="a", content_type="text/plain\r\nx: y"
    ),
    "media type without a slash": lambda client: client.conversations.files.create(
        "c", b"", filename="a", content_type="pdf"
    ),
    "timeout that is not a number": lambda client: client.conversations.wait("c", timeout=math.nan),
    "negative timeout": lambda client: client.conversations.wait("c", timeout=-1),
}


@pytest.mark.parametrize("name", INVALID_ARGUMENTS)
async def test_invalid_argument_is_refused_and_nothing_is_sent(
    name: str, fake: FakeConvAI, client: ConvAIClient
) -> None:
    with pytest.raises(InvalidArgumentError):
        await INVALID_ARGUMENTS[name](client)
    assert fake.requests == []


INVALID_IDS = [
    (name, field, value)
    for name in EXAMPLES
    for field in find_id_fields(name)
    for value in ([HALF, ""] if field == "reference" else [HALF, "", "..", "a\nb"])
]


@pytest.mark.parametrize(("name", "field", "value"), INVALID_IDS)
async def test_every_endpoint_refuses_invalid_ids_by_name_and_nothing_is_sent(
    name: str, field: str, value: str, fake: FakeConvAI, client: ConvAIClient
) -> None:
    invalid = replace(Existing(), **{field: value})
    with pytest.raises(InvalidArgumentError, match=rf"^{field}s?: "):
        await EXAMPLES[name](client, invalid)
    with pytest.raises(InvalidArgumentError, match=rf"^{field}s?: "):
        build_request(name, invalid)
    assert fake.requests == []


@pytest.mark.parametrize(
    "value",
    ["a/b", "../../etc/passwd", "a?b=c", "a#b", "a%2fb", "a b", "a;b", "ä", "'; DROP TABLE x; --", "<script>", "a\\b"],
)
async def test_id_with_special_characters_is_quoted_into_one_path_segment(
    value: str, fake: FakeConvAI, client: ConvAIClient
) -> None:
    with pytest.raises(ConvAIError):
        await client.conversations.get(value)
    (request,) = fake.requests
    assert request.operation == "get_conversation"
    assert request.query == ()


@pytest.mark.parametrize("value", ["a&b=c", "a=b", "a#b", "a b", "a%20b", "ä\u2028", "+", "a\r\nb", "\x00"])
async def test_filter_and_cursor_with_special_characters_arrive_unchanged(
    value: str, fake: FakeConvAI, client: ConvAIClient
) -> None:
    await client.conversations.list(user_id=value)
    assert dict(fake.requests[0].query) == {"user_id": value, "page_size": "100"}
    with pytest.raises(ConvAIError):  # the service rejects the cursor
        await anext(client.conversations.list().pages(cursor=value))
    assert dict(fake.requests[1].query)["cursor"] == value


@pytest.mark.parametrize(
    "name",
    ['a".pdf', "a;b.pdf", "../a.pdf", "ä.pdf", "a\u202efdp.exe.pdf", 'a"\r\nx-header: b\r\n\r\n.pdf', "\x00\x7f.pdf"],
)
async def test_file_name_with_special_characters_adds_no_header_to_the_form(
    name: str, fake: FakeConvAI, client: ConvAIClient
) -> None:
    conversation_id = next(iter(fake.conversations))
    await client.conversations.files.create(conversation_id, b"%PDF-1.7", filename=name)
    assert [content for (owner, _), content in fake.files.items() if owner == conversation_id] == [b"%PDF-1.7"]


async def test_get_many_cancelled_twice_ends_as_cancelled(fake: FakeConvAI, client: ConvAIClient) -> None:
    cleaning = asyncio.Event()
    release = asyncio.Event()

    async def ids() -> AsyncIterator[str]:
        try:
            yield next(iter(fake.conversations))
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await release.wait()

    async def use() -> None:
        async with client.conversations.get_many(ids()) as results:
            async for _ in results:
                pass

    task = asyncio.ensure_future(use())
    async with asyncio.timeout(60):
        while not fake.requests:
            await asyncio.sleep(0)
        task.cancel()
        await cleaning.wait()
        task.cancel()
        await asyncio.sleep(0)
        release.set()
        await asyncio.wait([task])
    assert task.cancelled()
