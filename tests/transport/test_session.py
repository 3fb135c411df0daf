"""Single requests and responses of the session, most of them mocked with aioresponses."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.test_utils import TestServer
from aioresponses import CallbackResult, aioresponses
from raw_server import build_response, raw_server

from convai_async import ConvAIClient, RetryPolicy
from convai_async.errors import (
    APIStatusError,
    ConnectionFailedError,
    DecodeError,
    IncompleteBodyError,
    RequestTimeoutError,
    ServerError,
    TransportError,
)
from convai_async.testing import FakeConvAI, MockedClientResponse, faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

BASE = "https://api.elevenlabs.io"
LIST = f"{BASE}/v1/convai/conversations?page_size=100"
PAGE = {"conversations": [{"conversation_id": "conv_1"}], "next_cursor": None, "has_more": False}


@pytest.fixture
def mocked() -> Iterator[aioresponses]:
    with aioresponses() as mock:
        yield mock


@pytest.fixture
async def once() -> AsyncIterator[ConvAIClient]:
    async with ConvAIClient("key", retry=None) as client:
        yield client


def answer(mocked: aioresponses, url: str = LIST, **response: Any) -> None:
    mocked.get(url, response_class=MockedClientResponse, **response)


async def test_page_is_decoded(mocked: aioresponses, once: ConvAIClient) -> None:
    answer(mocked, payload=PAGE)
    page = await once.conversations.list()
    assert [summary.conversation_id for summary in page] == ["conv_1"]


async def test_location_of_a_success_is_not_followed(mocked: aioresponses, once: ConvAIClient) -> None:
    answer(mocked, payload=PAGE, headers={"location": "/elsewhere"})
    assert len(await once.conversations.list()) == 1


async def test_request_has_the_documented_method_path_and_headers(mocked: aioresponses, once: ConvAIClient) -> None:
    def check(_url: Any, **request: Any) -> CallbackResult:
        assert request["headers"]["xi-api-key"] == "key"
        assert request["allow_redirects"] is False
        return CallbackResult(payload=PAGE, response_class=MockedClientResponse)

    mocked.get(LIST, callback=check)
    await once.conversations.list()
    assert [len(requests) for requests in mocked.requests.values()] == [1]


@pytest.mark.parametrize("has_more", [None, False])
@pytest.mark.parametrize("cursor", [None, ""])
async def test_page_without_a_cursor_is_the_last(
    mocked: aioresponses, once: ConvAIClient, has_more: Any, cursor: Any
) -> None:
    answer(mocked, payload=PAGE | {"has_more": has_more, "next_cursor": cursor})
    assert len(await once.conversations.list().collect()) == 1


@pytest.mark.parametrize("status", [201, 204])
async def test_every_2xx_is_a_success(mocked: aioresponses, once: ConvAIClient, status: int) -> None:
    url = f"{BASE}/v1/convai/conversations/conv_1"
    mocked.delete(url, status=status, response_class=MockedClientResponse)
    await once.conversations.delete("conv_1")


async def test_status_300_is_an_error(mocked: aioresponses, once: ConvAIClient) -> None:
    answer(mocked, status=300, payload=PAGE)
    with pytest.raises(APIStatusError, match="300"):
        await once.conversations.list()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "$"),
        (b"[]", "$"),
        (b'{"conversations": 5}', "$.conversations"),
        (b"\xff\xfe", "$"),
    ],
)
async def test_decode_error_has_the_path_of_the_invalid_value(
    mocked: aioresponses, once: ConvAIClient, body: bytes, path: str
) -> None:
    answer(mocked, body=body)
    with pytest.raises(DecodeError) as caught:
        await once.conversations.list()
    assert caught.value.path == path
    assert caught.value.body == body


@pytest.mark.parametrize(
    ("exception", "translated"),
    [
        (aiohttp.ServerDisconnectedError(), ConnectionFailedError),
        (aiohttp.ClientOSError(104, "reset"), ConnectionFailedError),
        (aiohttp.ClientPayloadError("short"), ConnectionFailedError),
        (aiohttp.SocketTimeoutError(), RequestTimeoutError),
        (aiohttp.ConnectionTimeoutError(), RequestTimeoutError),
        (TimeoutError(), RequestTimeoutError),
        (ConnectionResetError(), ConnectionFailedError),
    ],
)
async def test_exceptions_of_aiohttp_are_translated(
    mocked: aioresponses, once: ConvAIClient, exception: Exception, translated: type[Exception]
) -> None:
    answer(mocked, exception=exception)
    with pytest.raises(translated) as caught:
        await once.conversations.list()
    assert type(caught.value) is translated
    assert caught.value.__cause__ is exception


async def test_exception_that_is_not_of_the_network_is_raised_unchanged(
    mocked: aioresponses, once: ConvAIClient
) -> None:
    answer(mocked, exception=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await once.conversations.list()


async def test_error_has_the_request_id_and_the_code(mocked: aioresponses, once: ConvAIClient) -> None:
    body = {"detail": {"code": "quota", "message": "Used up.", "status": "quota"}}
    answer(mocked, status=402, payload=body, headers={"request-id": "req_7"})
    with pytest.raises(APIStatusError, match=r"402.*quota.*Used up\..*req_7") as caught:
        await once.conversations.list()
    assert (caught.value.code, caught.value.request_id) == ("quota", "req_7")


async def test_retries_use_the_responses_in_order(mocked: aioresponses) -> None:
    answer(mocked, status=500)
    answer(mocked, exception=aiohttp.ServerDisconnectedError())
    answer(mocked, payload=PAGE)
    async with ConvAIClient("key", retry=RetryPolicy(wait_initial=0)) as client:
        assert len(await client.conversations.list()) == 1
    assert [len(requests) for requests in mocked.requests.values()] == [3]


async def test_recording_that_ends_early_raises_while_it_is_read(mocked: aioresponses, once: ConvAIClient) -> None:
    url = f"{BASE}/v1/convai/conversations/conv_1/audio"
    headers = {"content-type": "audio/mpeg", "content-length": "3"}
    mocked.get(url, body=b"abc", headers=headers, response_class=MockedClientResponse)
    async with once.conversations.audio.stream("conv_1") as audio:
        response = audio._response._aiohttp_response
        response.content.set_exception(aiohttp.ClientPayloadError("short"))
        with pytest.raises(IncompleteBodyError):
            async for _ in audio:
                pass


async def test_error_page_raises_the_error_of_its_status(mocked: aioresponses, once: ConvAIClient) -> None:
    answer(mocked, status=503, body="<html>maintenance</html>", content_type="text/html")
    with pytest.raises(ServerError, match="503") as caught:
        await once.conversations.list()
    assert caught.value.body == b"<html>maintenance</html>"


@pytest.mark.parametrize(
    ("exception", "words"),
    [
        (TimeoutError(), "no complete response within the timeout"),
        (aiohttp.ConnectionTimeoutError(), "no connection within the timeout"),
        (aiohttp.ClientOSError(104, "reset"), r"the connection was lost: \[Errno 104\] reset"),
        (aiohttp.ServerDisconnectedError(), "the connection was lost: Server disconnected"),
        (ConnectionResetError(), "the connection was lost: ConnectionResetError"),
        (
            aiohttp.ClientConnectorError(
                ConnectionKey("api.example", 443, True, True, None, None, None), OSError(111, "Connection refused")
            ),
            "no connection: api.example:443: Connection refused",
        ),
    ],
)
async def test_error_message_is_in_plain_words(
    mocked: aioresponses, once: ConvAIClient, exception: Exception, words: str
) -> None:
    answer(mocked, exception=exception)
    with pytest.raises(TransportError, match=f"^GET /v1/convai/conversations: {words}$"):
        await once.conversations.list()


@pytest.mark.parametrize("timeout", [5.0, None])
async def test_session_applies_its_own_timeouts(mocked: aioresponses, timeout: float | None) -> None:
    def check(_url: Any, **request: Any) -> CallbackResult:
        assert request["timeout"] == aiohttp.ClientTimeout(total=None)
        return CallbackResult(payload=PAGE, response_class=MockedClientResponse)

    mocked.get(LIST, callback=check)
    async with ConvAIClient("key", retry=None, timeout=timeout) as client:
        assert len(await client.conversations.list()) == 1


async def test_file_is_sent_with_its_name_and_type() -> None:
    received: list[tuple[str | None, str | None, bytes]] = []

    async def receive(request: web.Request) -> web.Response:
        part = await (await request.multipart()).next()
        assert isinstance(part, aiohttp.BodyPartReader)
        received.append((part.filename, part.headers.get("content-type"), bytes(await part.read())))
        return web.json_response({"file_id": "file_1"})

    app = web.Application()
    app.router.add_post("/{path:.*}", receive)
    async with TestServer(app) as server, ConvAIClient("key", base_url=f"http://127.0.0.1:{server.port}") as client:
        await client.conversations.files.create("conv_1", b"%PDF", filename="квитанция 1.pdf")
    assert received == [("квитанция 1.pdf", "application/pdf", b"%PDF")]


async def test_content_type_is_that_of_the_body(fake: FakeConvAI, client: ConvAIClient) -> None:
    conversation_id = next(iter(fake.conversations))
    await client.conversations.feedback.create(conversation_id, feedback="like")
    assert fake.requests[-1].headers["content-type"] == "application/json"
    await client.request("POST", f"/v1/convai/conversations/{conversation_id}/analysis/run")
    assert "content-type" not in fake.requests[-1].headers


async def test_delete_whose_response_was_lost_on_a_pooled_connection_succeeds(
    fake: FakeConvAI, client: ConvAIClient
) -> None:
    await client.conversations.list(page_size=1)
    fake.faults.add(faults.drop(after_acting=True), operation="delete_conversation")
    await client.conversations.delete(next(iter(fake.conversations)))  # the second response is a 404
    assert len(fake.requests("delete_conversation")) == 2


async def test_get_on_a_dead_pooled_connection_is_sent_again_without_a_retry(
    fake: FakeConvAI, client: ConvAIClient
) -> None:
    await client.conversations.list(page_size=1)
    fake.faults.add(faults.drop(), operation="get_conversation")
    conversation_id = next(iter(fake.conversations))
    conversation = await client.with_options(retry=None).conversations.get(conversation_id)
    assert conversation.conversation_id == conversation_id
    assert len(fake.requests("get_conversation")) == 2


async def test_followed_redirect_releases_its_connection(fake: FakeConvAI, client: ConvAIClient) -> None:
    wanted = next(iter(fake.conversations))

    async def redirect(_request: web.Request, _proceed: Any) -> web.Response:
        location = {"location": f"/v1/convai/conversations/{wanted}?format=json"}
        return web.Response(status=307, headers=location, body=b"moved" * 1_000_000)

    fake.faults.add(redirect)
    assert (await client.conversations.get(wanted)).conversation_id == wanted
    session = client._engine.session._session
    assert session is not None
    assert isinstance(session.connector, aiohttp.TCPConnector)
    assert not session.connector._acquired


async def test_unsolicited_response_is_not_used_for_the_next_request() -> None:
    stray = asyncio.Event()
    numbers = count()

    async def respond(writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(build_response(b'{"conversation_id": "conv_1", "transcript": []}'))
        if next(numbers) == 0:
            await stray.wait()
            writer.write(build_response(b'{"conversations": [], "has_more": false}') * 2)

    async with raw_server(respond) as url, ConvAIClient("key", base_url=url, retry=None) as client:
        assert (await client.conversations.get("conv_1")).conversation_id == "conv_1"
        session = client._engine.session._session
        assert session is not None
        assert session.connector is not None
        ((lent, _),) = next(iter(session.connector._conns.values()))
        stray.set()
        async with asyncio.timeout(60):
            while not lent.should_close:
                await asyncio.sleep(0)
        with pytest.raises(DecodeError):
            await client.conversations.list()  # on a new connection, where the response is a conversation
        assert (await client.conversations.get("conv_1")).conversation_id == "conv_1"
