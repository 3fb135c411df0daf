"""What callers pass by mistake, or take from strangers: refused by name before anything is sent, or sent harmlessly."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import ConvAIClient, ConvAIError, RetryPolicy
from convai_async.errors import ConfigurationError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from convai_async.testing import FakeConvAI

HALF = "\ud800"
"""Half a surrogate pair, which no UTF-8 has; JSON and the command line can bring it."""


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
def test_what_is_no_address_is_refused_and_a_password_in_it_is_not_repeated(base_url: Any) -> None:
    with pytest.raises(ConfigurationError, match="base_url must") as caught:
        ConvAIClient("key", base_url=base_url)
    assert "the_password" not in str(caught.value)


@pytest.mark.parametrize("base_url", ["http://[::1]:8080", "https://host/a/path/", "http://127.0.0.1", "HTTPS://HOST"])
def test_what_is_an_address_is_taken(base_url: str) -> None:
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
def test_a_setting_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises((InvalidArgumentError, ConfigurationError)):
        ConvAIClient(**{"api_key": "key", **settings})


@pytest.mark.parametrize("settings", [{"attempts": math.nan}, {"attempts": 1.5}, {"wait_max": None}, {"timeout": "1"}])
def test_a_policy_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        RetryPolicy(**settings)


async def pieces() -> AsyncIterator[str]:
    yield "text"


CALLS: dict[str, Callable[[ConvAIClient], Any]] = {
    "method with a space": lambda client: client.request("G T", "/v1"),
    "method with a line break": lambda client: client.request("GET\r\nx: y", "/v1"),
    "method of another alphabet": lambda client: client.request("GÉT", "/v1"),
    "a method that is not text": lambda client: client.request(5, "/v1"),  # type: ignore[arg-type]
    "a path that is not text": lambda client: client.request("GET", b"/v1"),  # type: ignore[arg-type]
    "a query that is not a dict": lambda client: client.request("GET", "/v1", query="a=b"),  # type: ignore[arg-type]
    "a file name that is not text": lambda client: client.conversations.files.create("c", b"", filename=5),  # type: ignore[arg-type]
    "half a character in a query": lambda client: client.request("GET", "/v1", query={HALF: "x"}),
    "no name in a query": lambda client: client.request("GET", "/v1", query={5: "x"}),  # type: ignore[dict-item]
    "half a character in JSON": lambda client: client.request("POST", "/v1", json=HALF),
    "a query in the path": lambda client: client.request("GET", "/v1?x=y"),
    "a line break in the path": lambda client: client.request("GET", "/v1\r\nx: y"),
    "half a character in an id": lambda client: client.conversations.get(HALF),
    "a line break in an id": lambda client: client.conversations.get("conv_1\r\nx: y"),
    "a step in the path": lambda client: client.conversations.get(".."),
    "half a cursor": lambda client: anext(client.conversations.list().pages(cursor=HALF)),
    "half a filter": lambda client: client.conversations.list(user_id=HALF).collect(),
    "an empty name among names": lambda client: client.conversations.list(tool_names=["a", ""]).collect(),
    "a blank search": lambda client: client.conversations.messages.text_search("  ").collect(),
    "a moment beyond all": lambda client: client.conversations.list(call_start_after_unix=10**400).collect(),
    "a moment that is none": lambda client: client.conversations.list(call_start_after_unix=math.nan).collect(),
    "a number beyond all": lambda client: client.conversations.list(rating_min=10**5000).collect(),
    "half a description": lambda client: client.conversations.tags.create("a", description=HALF),
    "a description that is none": lambda client: client.conversations.tags.create("a", description=object()),  # type: ignore[arg-type]
    "half a title": lambda client: client.conversations.tags.update("tag_1", title=HALF),
    "no file": lambda client: client.conversations.files.create("c", None, filename="a.pdf"),  # type: ignore[arg-type]
    "a file in pieces of text": lambda client: client.conversations.files.create("c", pieces(), filename="a.pdf"),  # type: ignore[arg-type]
    "a blank file name": lambda client: client.conversations.files.create("c", b"", filename=" "),
    "half a character in a file name": lambda client: client.conversations.files.create("c", b"", filename=HALF),
    "a media type with a line break": lambda client: client.conversations.files.create(
        "c", b"", filename="a", content_type="text/plain\r\nx: y"
    ),
    "a media type that is none": lambda client: client.conversations.files.create(
        "c", b"", filename="a", content_type="pdf"
    ),
    "no time to wait": lambda client: client.conversations.wait("c", timeout=math.nan),
    "less than no time": lambda client: client.conversations.wait("c", timeout=-1),
}


@pytest.mark.parametrize("name", CALLS)
async def test_an_argument_that_cannot_be_sent_is_refused_by_name_and_nothing_is_sent(
    name: str, fake: FakeConvAI, client: ConvAIClient
) -> None:
    with pytest.raises(InvalidArgumentError):
        await CALLS[name](client)
    assert fake.requests == []


@pytest.mark.parametrize(
    "odd",
    ["a/b", "../../etc/passwd", "a?b=c", "a#b", "a%2fb", "a b", "a;b", "ä", "'; DROP TABLE x; --", "<script>", "a\\b"],
)
async def test_an_odd_id_stays_one_segment_of_the_path(odd: str, fake: FakeConvAI, client: ConvAIClient) -> None:
    with pytest.raises(ConvAIError):
        await client.conversations.get(odd)
    (request,) = fake.requests
    assert request.operation == "get_conversation"
    assert request.query == ()


@pytest.mark.parametrize("odd", ["a&b=c", "a=b", "a#b", "a b", "a%20b", "ä\u2028", "+", "a\r\nb", "\x00"])
async def test_an_odd_filter_and_an_odd_cursor_arrive_as_they_are(
    odd: str, fake: FakeConvAI, client: ConvAIClient
) -> None:
    await client.conversations.list(user_id=odd)
    assert dict(fake.requests[0].query) == {"user_id": odd, "page_size": "100"}
    with pytest.raises(ConvAIError):  # the service knows no such cursor
        await anext(client.conversations.list().pages(cursor=odd))
    assert dict(fake.requests[1].query)["cursor"] == odd


@pytest.mark.parametrize(
    "name",
    ['a".pdf', "a;b.pdf", "../a.pdf", "ä.pdf", "a\u202efdp.exe.pdf", 'a"\r\nx-header: b\r\n\r\n.pdf', "\x00\x7f.pdf"],
)
async def test_an_odd_file_name_adds_no_header_to_the_form(name: str, fake: FakeConvAI, client: ConvAIClient) -> None:
    conversation_id = next(iter(fake.conversations))
    await client.conversations.files.create(conversation_id, b"%PDF-1.7", filename=name)
    assert [content for (owner, _), content in fake.files.items() if owner == conversation_id] == [b"%PDF-1.7"]


async def test_many_that_are_cancelled_twice_end_as_cancelled(fake: FakeConvAI, client: ConvAIClient) -> None:
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
    async with asyncio.timeout(10):
        while not fake.requests:
            await asyncio.sleep(0)
        task.cancel()
        await cleaning.wait()
        task.cancel()
        await asyncio.sleep(0)
        release.set()
        await asyncio.wait([task])
    assert task.cancelled()
