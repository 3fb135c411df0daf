"""The client's settings and lifetime."""

from __future__ import annotations

import asyncio
import gc
import math
import re
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest
from threaded_service import ThreadedService

from convai_async import ClientClosedError, ConfigurationError, ConvAIClient, InvalidArgumentError, RetryPolicy
from convai_async.errors import AuthenticationError, ServerError
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("region", "address"),
    [
        ("global", "https://api.elevenlabs.io"),
        ("us", "https://api.us.elevenlabs.io"),
        ("eu", "https://api.eu.residency.elevenlabs.io"),
        ("in", "https://api.in.residency.elevenlabs.io"),
        ("sg", "https://api.sg.residency.elevenlabs.io"),
    ],
)
def test_region_determines_base_url(region: Any, address: str) -> None:
    assert ConvAIClient("key", region=region).base_url == address


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: ConvAIClient("key", region="mars"), "region must be one of global, us, eu, in, sg; got 'mars'"),  # type: ignore[arg-type]
        (lambda: ConvAIClient("key", region="eu", base_url="https://x.example"), "not both"),
        (lambda: ConvAIClient("key", base_url="ftp://x.example"), "base_url must look like"),
        (lambda: ConvAIClient("key", base_url="api.elevenlabs.io"), "base_url must look like"),
        (lambda: ConvAIClient("key", base_url="https://"), "base_url must look like"),
        (lambda: ConvAIClient("key", base_url="https://exämple.org"), "base_url must look like"),
        (lambda: ConvAIClient("key", base_url="https://me:secret@x.example"), "no user"),
        (lambda: ConvAIClient("key", base_url="https://x.example?a=1"), "no user, query or fragment"),
        (lambda: ConvAIClient(""), "set ELEVENLABS_API_KEY"),
        (lambda: ConvAIClient("a b"), "the API key contains a space"),
        (lambda: ConvAIClient("key\n"), "the API key contains a space"),
        (lambda: ConvAIClient("schlüssel"), "the API key contains a space"),
    ],
)
def test_invalid_setting_raises_configuration_error_with_a_hint(make: Callable[[], object], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


REFUSED_OPTIONS: list[dict[str, Any]] = [
    {"timeout": 0},
    {"timeout": -1},
    {"timeout": math.inf},
    {"timeout": math.nan},
    {"timeout": "5"},
    {"timeout": True},
    {"retry": 3},
    {"retry": True},
]


@pytest.mark.parametrize(
    "settings",
    [
        *REFUSED_OPTIONS,
        {"max_concurrency": 0},
        {"max_concurrency": True},
        {"max_concurrency": 8.0},
        {"max_response_bytes": 0},
        {"share": 0},
        {"share": -0.1},
        {"share": 1.01},
        {"share": "0.5"},
        {"share": True},
    ],
)
def test_invalid_value_is_refused_by_name(settings: dict[str, Any]) -> None:
    name, value = next(iter(settings.items()))
    with pytest.raises(InvalidArgumentError, match=f"^{name}: must be .*got {re.escape(repr(value))}"):
        ConvAIClient("key", **settings)


@pytest.mark.parametrize("settings", [*REFUSED_OPTIONS, {"priority": "urgent"}, {"priority": None}])
def test_with_options_refuses_invalid_value_by_name(settings: dict[str, Any]) -> None:
    name, value = next(iter(settings.items()))
    with pytest.raises(InvalidArgumentError, match=f"^{name}: must be .*got {re.escape(repr(value))}"):
        ConvAIClient("key").with_options(**settings)


@pytest.mark.parametrize("digits", [400, 5000])  # too large for a float, and also for repr()
def test_timeout_that_no_float_can_hold_is_refused_by_name(digits: int) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^timeout: must be more than 0 seconds.*got a huge number$"):
        ConvAIClient("key", timeout=10**digits)


def test_numbers_at_the_ends_of_their_range_are_accepted() -> None:
    ConvAIClient("key", timeout=0.001, max_concurrency=1, max_response_bytes=1, share=1).with_options(timeout=None)
    assert ConvAIClient("key", timeout=None, retry=None, share=0.01).concurrency == 8


def test_api_key_defaults_to_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "from-the-environment")
    assert "from-the-environment" not in repr(ConvAIClient())
    monkeypatch.delenv("ELEVENLABS_API_KEY")
    with pytest.raises(ConfigurationError, match="set ELEVENLABS_API_KEY, or pass api_key="):
        ConvAIClient()


async def test_api_key_from_environment_is_sent(fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", fake.api_key)
    async with ConvAIClient(base_url=fake.url) as client:
        assert len(await client.conversations.list(page_size=1)) == 1


async def test_request_has_api_key_user_agent_and_own_headers(fake: FakeConvAI) -> None:
    async with ConvAIClient(fake.api_key, base_url=fake.url, headers={"x-team": "blue"}) as client:
        await client.conversations.list()
    assert fake.requests[0].authorized
    headers = fake.requests[0].headers
    assert headers["user-agent"].startswith("convai-async/")
    assert headers["x-team"] == "blue"


async def test_own_headers_do_not_replace_api_key(fake: FakeConvAI) -> None:
    async with ConvAIClient(fake.api_key, base_url=fake.url, headers={"XI-API-KEY": "other"}) as client:
        await client.conversations.list()
    assert fake.requests[0].authorized


async def test_wrong_api_key_raises_authentication_error_without_retry(fake: FakeConvAI) -> None:
    async with ConvAIClient("wrong-key", base_url=fake.url) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.conversations.list()
    assert "wrong-key" not in str(caught.value)
    assert len(fake.requests) == 1


def test_hash_of_the_api_key_never_changes() -> None:
    archived = "07c26514685c092e121ba0c6535272628e1b345f2a1a94c3e3849762d619002a"
    assert ConvAIClient("key").hash_api_key(b"salt").hex() == archived


async def test_path_of_base_url_is_a_prefix(fake: FakeConvAI) -> None:
    async with ConvAIClient(fake.api_key, base_url=f"{fake.url}/gateway/") as client:
        with pytest.raises(Exception, match="404"):
            await client.conversations.list()
    assert fake.requests[0].path == "/gateway/v1/convai/conversations"


async def test_no_connection_before_first_request() -> None:
    async with ConvAIClient("key") as client:
        assert client._engine.session._session is None


async def test_closed_client_raises_client_closed_error_without_waiting(fake: FakeConvAI) -> None:
    client = ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=1)
    await client.conversations.list()
    slot = await client._engine.limiter.acquire()
    await client.close()
    await client.close()
    async with asyncio.timeout(60):
        with pytest.raises(ClientClosedError, match="create a new one"):
            await client.conversations.list()
    client._engine.limiter.release(slot)


async def test_unused_client_can_be_closed() -> None:
    client = ConvAIClient("key")
    await client.close()
    with pytest.raises(ClientClosedError):
        await client.conversations.list()


async def test_close_leaves_no_connection_and_no_task(fake: FakeConvAI) -> None:
    before = asyncio.all_tasks()
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        await client.conversations.list()
        session = client._engine.session._session
        assert session is not None
    assert session.closed
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() - before if "convai_async" in repr(task.get_coro())} == set()
    gc.collect()  # an unclosed session or connection warns here, and a warning fails


async def test_borrowed_session_is_used_and_stays_open(fake: FakeConvAI) -> None:
    async with aiohttp.ClientSession(headers={"x-mine": "1"}) as session:
        async with ConvAIClient(fake.api_key, base_url=fake.url, session=session) as client:
            await client.conversations.list()
        assert not session.closed
    assert fake.requests[0].headers["x-mine"] == "1"
    client = ConvAIClient(fake.api_key, base_url=fake.url, session=session)
    with pytest.raises(ClientClosedError, match="the aiohttp session that you passed is closed"):
        await client.conversations.list()


async def test_borrowed_session_with_other_connection_settings_is_refused() -> None:
    async with aiohttp.ClientSession() as session:
        for settings in ({"trust_env": True}, {"trace_configs": [aiohttp.TraceConfig()]}):
            options: Any = settings
            with pytest.raises(ConfigurationError, match="in the session that you pass"):
                ConvAIClient("key", session=session, **options)


async def test_raise_for_status_of_borrowed_session_is_ignored(fake: FakeConvAI) -> None:
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        client = ConvAIClient("wrong", base_url=fake.url, session=session)
        with pytest.raises(AuthenticationError):
            await client.conversations.list()


async def test_borrowed_connector_is_used_and_stays_open(fake: FakeConvAI) -> None:
    connector = aiohttp.TCPConnector(limit=3)
    async with ConvAIClient(fake.api_key, base_url=fake.url, connector=connector) as client:
        await client.conversations.list()
    assert not connector.closed
    await connector.close()


async def test_trace_configs_see_requests_that_share_a_connection(fake: FakeConvAI) -> None:
    seen: list[str] = []
    config = aiohttp.TraceConfig()

    async def on_start(_session: Any, _context: Any, parameters: aiohttp.TraceRequestStartParams) -> None:
        seen.append(parameters.method)

    async def on_connection(*_: Any) -> None:
        seen.append("connection")

    config.on_request_start.append(on_start)
    config.on_connection_create_end.append(on_connection)
    async with ConvAIClient(fake.api_key, base_url=fake.url, trace_configs=[config]) as client:
        await client.conversations.list(page_size=1)
        await client.conversations.list(page_size=1)
    assert seen == ["GET", "connection", "GET"]


async def test_cookies_are_not_sent_back(fake: FakeConvAI) -> None:
    fake.faults.add(faults.status(503, headers={"set-cookie": "track=1; Path=/"}))
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=RetryPolicy(wait_initial=0)) as client:
        await client.conversations.list()
    assert len(fake.requests) == 2
    assert "cookie" not in fake.requests[1].headers


async def test_with_options_shares_connections(fake: FakeConvAI) -> None:
    fake.faults.add(faults.status(503), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=RetryPolicy(attempts=3, wait_initial=0)) as client:
        once = client.with_options(retry=None, timeout=5)
        assert once._engine.session is client._engine.session
        assert once._engine.limiter is client._engine.limiter
        with pytest.raises(ServerError) as caught:
            await once.conversations.list()
        assert caught.value.attempts == 1
        with pytest.raises(ServerError) as caught:
            await client.conversations.list()
        assert caught.value.attempts == 3
        assert once.with_options()._engine.retry is None
        await once.close()
        fake.faults.clear()
        assert len(await client.conversations.list(page_size=1)) == 1


@pytest.mark.filterwarnings(
    "ignore:unclosed (transport|<socket):ResourceWarning"
)  # what a loop leaves behind that is closed with tasks in it
def test_client_works_in_a_new_loop_after_the_first_is_closed() -> None:
    with ThreadedService(conversations=20) as fake:
        ids = list(fake.conversations)
        client = ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=3)
        patient = client.with_options(timeout=30)

        async def use() -> None:
            async with asyncio.TaskGroup() as group:
                for conversation_id in ids:
                    group.create_task(patient.conversations.get(conversation_id))
            session = client._engine.session._session
            await client.conversations.get(ids[0])
            assert client._engine.session._session is session

        async def break_off() -> None:
            tasks = [asyncio.create_task(client.conversations.get(each)) for each in ids]
            await asyncio.sleep(0.01)
            del tasks  # asyncio.run cancels them

        async def hold() -> None:
            await use()
            for _ in range(2):
                await client._engine.limiter.acquire()
            await held[0].__aenter__()

        for run in (use, use, break_off, use):
            asyncio.run(run())
            assert client._engine.limiter.in_flight == 0
        held = [client.conversations.audio.stream(next(filter(fake.conversations.has_audio, ids)))]
        loop = asyncio.new_event_loop()  # what is under way when it is closed never ends
        loop.run_until_complete(hold())
        loop.close()
        assert client._engine.limiter.in_flight == 3
        asyncio.run(use())
        assert client._engine.limiter.in_flight == 0
        assert not client._engine.session._open_responses, "closing the client would abort them in the closed loop"
        assert len(fake.requests) >= 5 * len(ids)
        asyncio.run(client.close())
    held.clear()
    gc.collect()


def test_client_that_sent_nothing_works_in_a_new_loop() -> None:
    with ThreadedService(conversations=1) as fake:
        client = ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=1)

        async def wait_for_a_slot() -> None:
            slot = await client._engine.limiter.acquire()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await client.conversations.list()
            client._engine.limiter.release(slot)

        async def use() -> None:
            async with client:
                assert len(await client.conversations.list()) == 1

        asyncio.run(wait_for_a_slot())
        asyncio.run(use())


async def test_client_is_refused_in_second_loop_while_first_is_open(fake: FakeConvAI) -> None:
    async with ConvAIClient(fake.api_key, base_url=fake.url, max_concurrency=1) as client:
        await client.conversations.list(page_size=1)
        session = client._engine.session._session

        def use_elsewhere() -> None:
            with pytest.raises(ConfigurationError, match="create one client for each event loop"):
                asyncio.run(client.conversations.get("conv_1"))

        slot = await client._engine.limiter.acquire()
        await asyncio.to_thread(use_elsewhere)
        client._engine.limiter.release(slot)
        assert len(await client.conversations.list(page_size=1)) == 1
        assert client._engine.session._session is session


@pytest.mark.parametrize("borrowed", ["session", "connector"])
def test_borrowed_session_is_refused_in_a_new_loop(borrowed: str) -> None:
    made: list[ConvAIClient] = []

    async def use() -> None:
        async with FakeConvAI(conversations=1) as fake:
            connector = aiohttp.TCPConnector()
            session = aiohttp.ClientSession(connector=connector)
            given: dict[str, Any] = {"session": session} if borrowed == "session" else {"connector": connector}
            made.append(ConvAIClient(fake.api_key, base_url=fake.url, **given))
            await made[0].conversations.list()
            await made[0].close()
            made[0]._engine.session._closed = False
            await session.close()

    async def use_again() -> None:
        with pytest.raises(ConfigurationError, match="belongs to a closed event loop: create a new client"):
            await made[0].conversations.list()

    asyncio.run(use())
    asyncio.run(use_again())


def test_client_can_be_created_outside_a_loop() -> None:
    client = ConvAIClient("key")

    async def close() -> None:
        await client.close()

    asyncio.run(close())


def test_trio_raises_configuration_error() -> None:
    async def use() -> None:
        async with ConvAIClient("key") as client:
            with pytest.raises(ConfigurationError, match="no running asyncio event loop"):
                await client.conversations.list()

    anyio.run(use, backend="trio")


async def test_refused_connection_raises_connection_failed_error(unused_tcp_port_factory: Callable[[], int]) -> None:
    address = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with ConvAIClient("key", base_url=address, retry=RetryPolicy(attempts=2, wait_initial=0)) as client:
        with pytest.raises(Exception, match="no connection") as caught:
            await client.conversations.list()
    assert getattr(caught.value, "attempts", None) == 2
