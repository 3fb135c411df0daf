"""Requests and live conversations over TLS through an HTTP proxy, which wants a password, refuses, hangs or cuts."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import traceback
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from http_proxy import HTTPProxy
from tls_service import HOST, TLSService, run_tls_service

from convai_async.errors import ConfigurationError, ConnectionFailedError, ConversationClosedError, RequestTimeoutError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    import trustme

    from convai_async import ConvAIClient, ConvAIError

pytest_plugins = ["tls_fixtures"]

PASSWORD = "proxy_pass_never_shown"
CREDENTIALS = b64encode(f"user:{PASSWORD}".encode()).decode()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    caplog.set_level(logging.DEBUG)


@pytest.fixture
async def service(authority: trustme.CA) -> AsyncIterator[TLSService]:
    async with run_tls_service(authority.issue_cert(HOST)) as running:
        running.fake.live.add_agent("agent_1", text_only=True)
        yield running


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HTTPProxy]:
    async with HTTPProxy() as running:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:{running.port}")
        yield running


def open_client(service: TLSService, trusting: ssl.SSLContext | bool, **settings: Any) -> ConvAIClient:
    return service.client(ssl=trusting, trust_env=True, **settings)


async def talk(client: ConvAIClient) -> str:
    async with client.conversations.connect("agent_1", authorization="api_key") as live:
        return (await live.ask("Hi")).text


async def read_errors(
    client: ConvAIClient, log: str, kind: type[ConvAIError] = ConnectionFailedError
) -> list[ConvAIError]:
    """Return the errors of a request and of a live conversation, which do not show the password."""
    errors: list[ConvAIError] = []
    for attempt in (client.conversations.list().collect(), talk(client)):
        with pytest.raises(kind) as caught:
            await attempt
        errors.append(caught.value)
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + log
        assert PASSWORD not in shown
        assert CREDENTIALS not in shown
    return errors


async def test_requests_and_conversations_go_through_the_proxy_with_its_password(
    service: TLSService, proxy: HTTPProxy, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_client(service, trusting) as client:
        assert len(await client.conversations.list(page_size=100).collect()) == 20
        assert await talk(client) == "You said: Hi"
        async with client.conversations.connect("agent_1") as live:  # with a signed URL, wss://
            assert (await live.ask("Hi")).text == "You said: Hi"
    assert set(proxy.targets) == {service.url.replace("https://", "CONNECT ")}
    assert set(proxy.authorizations) == {f"Basic {CREDENTIALS}"}
    assert service.proxy.connections == len(proxy.targets)
    assert PASSWORD not in caplog.text


async def test_proxy_is_used_only_if_asked_and_not_for_hosts_of_no_proxy(
    service: TLSService, proxy: HTTPProxy, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.client(ssl=trusting) as client:
        assert await talk(client) == "You said: Hi"
    monkeypatch.setenv("NO_PROXY", HOST)
    async with open_client(service, trusting) as client:
        assert await talk(client) == "You said: Hi"
    assert proxy.targets == []


@pytest.mark.parametrize("host", [HOST, "api.elevenlabs.example"])
@pytest.mark.usefixtures("proxy")
async def test_certificate_is_verified_behind_a_proxy(
    host: str, authority: trustme.CA, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with run_tls_service(authority.issue_cert(host)) as service:
        trust, advice = (True, "SSL_CERT_FILE") if host == HOST else (trusting, "check the host of base_url")
        async with open_client(service, trust) as client:
            for error in await read_errors(client, caplog.text):
                assert "no trusted connection" in str(error)
                assert advice in str(error)
                assert not error.retryable
        assert service.fake.requests == []


@pytest.mark.parametrize(
    ("answer", "text", "retryable"),
    [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "407 Proxy Authentication Required (put the user",
            False,
        ),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden (ask who runs the proxy", False),
        ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\nlost", "the proxy refused the connection: 502", True),
        ("HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:1/\r\n\r\n", "302 Found", False),
        ("HTTP/1.1 200 OK\r\n\r\nnot TLS", "the connection was closed during the TLS handshake", True),
        ("\x00\r\n\r\n", "the response is not HTTP", True),
        ("", "the connection was lost", True),
    ],
)
async def test_proxy_that_opens_no_tunnel_is_one_clear_error(
    answer: str,
    text: str,
    *,
    retryable: bool,
    service: TLSService,
    proxy: HTTPProxy,
    trusting: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    proxy.answer = answer
    async with open_client(service, trusting) as client:
        for error in await read_errors(client, caplog.text):
            assert text in str(error)
            assert error.retryable is retryable
    assert service.proxy.connections == 0


async def test_proxy_that_hangs_is_left_after_the_timeout(
    service: TLSService, proxy: HTTPProxy, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.hang = True
    async with open_client(service, trusting, timeout=0.1) as client:
        await read_errors(client, caplog.text, RequestTimeoutError)


async def test_proxy_that_is_down_is_named(
    service: TLSService,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    unused_tcp_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:{unused_tcp_port}")
    async with open_client(service, trusting) as client:
        for error in await read_errors(client, caplog.text):
            assert f"no connection to the proxy: 127.0.0.1:{unused_tcp_port}" in str(error)
            assert error.retryable


async def test_proxy_that_cuts_ends_the_conversation_and_the_next_request_works(
    service: TLSService, proxy: HTTPProxy, trusting: ssl.SSLContext
) -> None:
    async with open_client(service, trusting) as client:
        async with client.conversations.connect("agent_1", authorization="api_key") as live:
            assert (await live.ask("Hi")).text == "You said: Hi"
            await proxy.cut()
            with pytest.raises(ConversationClosedError, match="the connection was lost") as caught:
                await live.ask("Are you there?")
            assert caught.value.retryable
            assert live.closed is not None
            assert (live.closed.code, live.closed.ended_by) == (1006, "connection")
        assert (await client.conversations.get(live.conversation_id)).conversation_id == live.conversation_id


@pytest.mark.parametrize("cut_after", [0, 100])
async def test_proxy_that_cuts_every_new_tunnel_is_one_error(
    cut_after: int, service: TLSService, proxy: HTTPProxy, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.cut_after = cut_after
    async with open_client(service, trusting) as client:
        for error in await read_errors(client, caplog.text):
            assert error.retryable


@pytest.mark.parametrize("address", ["user:{}@proxy.example:3128", "http://user:{}@proxy.example:port", "proxy:3128"])
async def test_invalid_address_of_a_proxy_is_named_by_its_variable(
    address: str,
    service: TLSService,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address.format(PASSWORD))
    async with open_client(service, trusting) as client:
        for error in await read_errors(client, caplog.text, ConfigurationError):
            assert str(error).startswith("HTTPS_PROXY is not the address of a proxy: write it as http://HOST:PORT")
    monkeypatch.setenv("NO_PROXY", HOST)
    async with open_client(service, trusting) as client:
        assert await talk(client) == "You said: Hi"


async def test_invalid_proxy_of_a_session_is_not_shown(service: TLSService, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        aiohttp.ClientSession(proxy=f"user:{PASSWORD}@proxy.example:3128") as session,
        service.client(session=session) as client,
    ):
        for error in await read_errors(client, caplog.text, ConfigurationError):
            assert "base_url, or the address of the proxy, is not valid" in str(error)


async def test_command_goes_through_the_proxy(
    service: TLSService, proxy: HTTPProxy, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "convai_async", "list", "--base-url", service.url),
        env={
            "PATH": os.environ["PATH"],
            "HTTPS_PROXY": os.environ["HTTPS_PROXY"],
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
            "ELEVENLABS_API_KEY": service.fake.api_key,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    assert len(out.splitlines()) == 20
    assert proxy.authorizations == [f"Basic {CREDENTIALS}"]
