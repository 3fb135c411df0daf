"""A conversation is opened, authorized, queued, accepted or refused."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from virtual_time import in_virtual_time

from convai_async import (
    AuthenticationError,
    ConnectionFailedError,
    ConvAIClient,
    ConversationRefusedError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RequestTimeoutError,
)
from convai_async.testing import FakeConvAI
from convai_async.testing import faults as http_faults
from convai_async.testing.live import faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from convai_async.testing.live import FakeConversation

KEY = "xi-a-key-that-is-a-secret"


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=2, quirks=False, api_key=KEY) as service:
        service.live.add_agent("agent_1", text_only=True, private=True)
        yield service


async def open_once(client: ConvAIClient, agent_id: str | None = "agent_1", **options: Any) -> str:
    async with client.conversations.connect(agent_id, **options) as live:
        return live.conversation_id


async def test_private_agent_is_reached_with_each_authorization(client: ConvAIClient, fake: FakeConvAI) -> None:
    signed = await client.conversations.get_signed_url("agent_1", include_conversation_id=True)
    token = await client.conversations.get_webrtc_token("agent_1")
    fake.requests.clear()
    assert await open_once(client, None, signed_url=signed.signed_url) == signed.conversation_id
    await open_once(client, token=token.token)
    await open_once(client, authorization="api_key", timeout=None, queue_timeout=None)
    assert [request.operation for request in fake.requests] == ["connect_conversation"] * 3
    await open_once(client)
    assert [live.authorization for live in fake.live.conversations] == [
        "signed_url",
        "authorization_header",
        "authorization_header",
        "signed_url",
    ]


async def test_key_is_sent_to_the_socket_only_if_asked(client: ConvAIClient, fake: FakeConvAI) -> None:
    await open_once(client)
    assert not fake.requests("connect_conversation")[-1].authorized
    with pytest.raises(PermissionDeniedError, match=r"WebSocket /v1/convai/conversation returned 403"):
        await open_once(client, authorization="none")
    fake.live.add_agent("agent_public", text_only=True)
    await open_once(client, "agent_public", authorization="none")
    assert not fake.requests("connect_conversation")[-1].authorized


async def test_branch_and_environment_are_in_the_signed_url_or_in_the_first_message(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    await open_once(client, branch_id="b", environment="staging")
    assert dict(fake.requests("get_signed_url")[-1].query) == {
        "agent_id": "agent_1",
        "branch_id": "b",
        "environment": "staging",
    }
    await open_once(client, branch_id="b", environment="staging", authorization="api_key")
    first, second = (live.initiation for live in fake.live.conversations)
    assert first == {"type": "conversation_initiation_client_data"}
    assert second == first | {"branch_id": "b", "environment": "staging"}


async def test_refused_handshakes_raise_the_error_of_their_status(client: ConvAIClient, fake: FakeConvAI) -> None:
    signed = (await client.conversations.get_signed_url("agent_1")).signed_url
    for options, error in (
        ({"agent_id": "agent_none"}, NotFoundError),
        ({"agent_id": "agent_none", "authorization": "api_key"}, NotFoundError),
        ({"signed_url": signed + "x"}, PermissionDeniedError),
        ({"token": "not-a-token"}, AuthenticationError),
    ):
        with pytest.raises(error) as caught:
            await open_once(client, **options)
        assert caught.value.body, "the service's explanation is kept"
    async with ConvAIClient("xi-wrong", base_url=fake.url, retry=None) as stranger:
        with pytest.raises(AuthenticationError):
            await open_once(stranger, authorization="api_key")


async def test_busy_service_is_asked_again_but_a_lost_handshake_is_not(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(http_faults.rate_limited(), operation="connect_conversation")
    await open_once(client)
    assert len(fake.requests("connect_conversation")) == 2
    fake.faults.add(http_faults.drop(), operation="connect_conversation", times=5)
    with pytest.raises(ConnectionFailedError):
        await open_once(client)


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"agent_id": None}, "agent_id"),
        ({"agent_id": ""}, "agent_id"),
        ({"token": "a", "signed_url": "wss://a/b"}, "token"),
        ({"token": ""}, "token"),
        ({"signed_url": "https://a/b"}, "signed_url"),
        ({"signed_url": "wss://"}, "signed_url"),
        ({"signed_url": "wss://a:b@c/d"}, "signed_url"),
        ({"signed_url": "wss://a:99999/d"}, "signed_url"),
        ({"signed_url": "wss://a/ b"}, "signed_url"),
        ({"signed_url": 7}, "signed_url"),
        ({"authorization": "key"}, "authorization"),
        ({"branch_id": ""}, "branch_id"),
        ({"environment": " "}, "environment"),
        ({"timeout": 0}, "timeout"),
        ({"queue_timeout": -1}, "queue_timeout"),
        ({"tool_timeout": "x"}, "tool_timeout"),
        ({"approve_mcp_tool": True}, "approve_mcp_tool"),
        ({"max_buffered_bytes": 0}, "max_buffered_bytes"),
        ({"tools": ["a"]}, "tools"),
    ],
)
async def test_invalid_arguments_are_refused_before_anything_is_sent(
    options: dict[str, Any], parameter: str, client: ConvAIClient, fake: FakeConvAI
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        await open_once(client, **options)
    assert caught.value.parameter == parameter
    assert len(fake.requests) == 0
    assert "a:b@c" not in str(caught.value)


# Acceptance


async def test_conversation_is_refused_for_an_override_after_its_metadata(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    fake.live.add_agent("agent_1", allowed_overrides=["first_message"])
    with pytest.raises(ConversationRefusedError, match="override_error: Override for field text_only is not") as caught:
        await open_once(client, text_only=True)
    error = caught.value
    assert (error.code, error.error_type, error.retryable) == (1008, "override_error", False)
    assert error.reason == "Override for field text_only is not allowed by config."


@in_virtual_time
async def test_conversation_is_refused_a_moment_after_its_metadata() -> None:
    async def refuse(conversation: FakeConversation) -> None:
        await asyncio.sleep(0.4)
        await conversation.fail(1008, "override_error", "no")

    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        fake.live.add_agent("agent_1", after_metadata=refuse)
        with pytest.raises(ConversationRefusedError):
            await open_once(client, authorization="none")


async def test_conversation_without_a_dynamic_variable_is_refused(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.live.add_agent("agent_1", first_message="Hello {{name}}!", text_only=True)
    with pytest.raises(ConversationRefusedError, match=r"missing_dynamic_variable.*name"):
        await open_once(client)
    await open_once(client, dynamic_variables={"name": "Ann"})


async def test_close_instead_of_the_metadata_is_a_refusal(client: ConvAIClient, fake: FakeConvAI) -> None:
    async def refuse(conversation: FakeConversation) -> None:
        await conversation.close(1008, "No more credits")

    fake.live.add_agent("agent_1", before_metadata=refuse)
    with pytest.raises(ConversationRefusedError, match=r"refused the conversation: .* \(code 1008\): No more credits"):
        await open_once(client)
    fake.live.add_agent("agent_1")
    fake.live.faults.add(faults.drop(), event="conversation_initiation_metadata")
    with pytest.raises(ConversationRefusedError, match=r"the connection was lost \(code 1006\)") as caught:
        await open_once(client)
    assert caught.value.retryable


async def test_other_events_can_come_before_the_metadata(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.live.faults.add(
        faults.insert({"type": "ping", "ping_event": {"event_id": 99}}, {"type": "later"}),
        event="conversation_initiation_metadata",
    )
    await open_once(client)


@in_virtual_time
async def test_silent_agent_is_accepted_after_half_a_second_and_a_late_one_times_out() -> None:
    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        clock = asyncio.get_running_loop().time

        async def wait(conversation: FakeConversation) -> None:
            await asyncio.sleep(8)

        fake.live.add_agent("agent_1", first_message="", text_only=True, after_metadata=wait)
        started = clock()
        async with client.conversations.connect("agent_1", authorization="none"):
            assert 0.5 <= clock() - started < 4
        fake.live.add_agent("agent_1", text_only=True, before_metadata=wait)
        await open_once(client, authorization="none")
        started = clock()
        with pytest.raises(RequestTimeoutError, match="did not start after 3 s"):
            await open_once(client, authorization="none", timeout=3)
        assert 3 <= clock() - started < 5


@in_virtual_time
async def test_queue_has_its_own_timeout() -> None:
    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:

        def connect(**options: Any) -> Any:
            return client.conversations.connect("agent_1", authorization="none", timeout=3, **options)

        fake.live.add_agent("agent_1", text_only=True, concurrency_limit=1, queue_timeout=100, idle_timeout=1e6)
        async with connect() as first:
            with pytest.raises(RequestTimeoutError, match="still in the queue after 20 s"):
                async with connect(queue_timeout=20):
                    pass
            with pytest.raises(ConversationRefusedError, match="4300") as caught:
                async with connect():
                    pass
            assert caught.value.retryable
            waiting = asyncio.create_task(connect().__aenter__())
            await asyncio.sleep(30)
            assert not waiting.done()
            assert first.closed is None
        live = await waiting
        assert live.conversation_id
        await live.close()


# Secrets and redirects


async def test_no_error_shows_a_secret(client: ConvAIClient, fake: FakeConvAI) -> None:
    secret = "cvtkn_a_very_secret_signature"
    broken = fake.url.replace("http", "ws").rsplit(":", 1)[0] + ":1"
    addresses = [f"{fake.url.replace('http', 'ws')}/v1/convai/conversation", f"{broken}/v1/convai/conversation"]
    attempts: list[dict[str, Any]] = [
        {"signed_url": f"{address}?agent_id=agent_1&conversation_signature={secret}"} for address in addresses
    ]
    attempts += [{"token": secret}, {"signed_url": f"https://{secret}"}]
    for options in attempts:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of different types
            await open_once(client, **options)
        assert secret not in str(caught.value)
        assert [line for line in render_frames_of_the_package(caught.value) if secret in line or KEY in line] == []


def render_frames_of_the_package(error: BaseException) -> Iterator[str]:
    """Yield the local variables that reports of an error show, without those of this test."""
    chain: list[traceback.TracebackException | None] = [
        traceback.TracebackException.from_exception(error, capture_locals=True)
    ]
    while chain:
        link = chain.pop()
        if link is not None:
            chain += [link.__cause__, link.__context__]
            for frame in link.stack:
                if "tests" not in Path(frame.filename).parts:
                    yield from (frame.locals or {}).values()
            yield from link.format_exception_only()


@asynccontextmanager
async def served(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Serve the address of conversations with a handler, and yield the URL of the server."""
    application = web.Application()
    application.router.add_get("/v1/convai/conversation", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_redirect_of_a_handshake_is_not_followed(fake: FakeConvAI) -> None:
    seen: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        seen.append(request.path)
        raise web.HTTPTemporaryRedirect(f"{fake.url}/v1/convai/conversation?agent_id=agent_1")

    async with served(redirect) as url, ConvAIClient(KEY, base_url=url) as client:
        with pytest.raises(Exception, match="a redirect that is not followed"):
            await open_once(client, authorization="api_key")
    assert seen == ["/v1/convai/conversation"]
    assert len(fake.requests) == 0


async def test_additional_headers_go_to_the_origin_of_the_service_only(fake: FakeConvAI) -> None:
    async with ConvAIClient(KEY, base_url=fake.url, headers={"x-gateway": "pass"}) as client:
        signed = (await client.conversations.get_signed_url("agent_1")).signed_url
        await open_once(client, signed_url=signed)
        assert fake.requests[-1].headers["x-gateway"] == "pass"
        await open_once(client, signed_url=signed.replace("127.0.0.1", "localhost"))
        assert "x-gateway" not in fake.requests[-1].headers
        assert "xi-api-key" not in fake.requests[-1].headers


async def test_server_without_websockets_is_named(fake: FakeConvAI) -> None:
    async def switch(request: web.Request) -> web.Response:
        return web.Response(status=101, headers={"upgrade": "other"})

    async with served(switch) as url, ConvAIClient(KEY, base_url=url) as client:
        with pytest.raises(ConnectionFailedError, match="did not open a WebSocket"):
            await open_once(client, authorization="api_key")
