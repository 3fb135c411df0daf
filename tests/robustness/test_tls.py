"""TLS: which servers the client trusts, its errors for the others, and every operation over TLS.

The fake service listens for TLS on another port, with certificates of an authority that is made for the test. A proxy
before it counts the connections, and cuts them.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trustme
from tcp_proxy import TCPProxy, Weather
from tls_service import AT_ONCE, HOST, TLSService, run_tls_service
from world import World

from convai_async.errors import ConnectionFailedError
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

pytest_plugins = ["tls_fixtures"]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def read_refusal(service: TLSService, **settings: Any) -> str:
    """Return the error for a service that is not trusted: after one attempt, in which nothing was sent."""
    async with service.client(**settings) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            await client.conversations.list()
    assert not caught.value.retryable
    assert caught.value.attempts == 1
    assert service.proxy.connections == 1
    assert service.fake.requests == []
    return str(caught.value)


async def test_unknown_authority_is_refused_and_error_says_how_to_trust_it(
    authority: trustme.CA,
) -> None:
    async with run_tls_service(authority.issue_cert(HOST)) as service:
        text = await read_refusal(service)
    assert "no trusted connection" in text
    assert "ssl=" in text
    assert "SSL_CERT_FILE" in text


async def test_authority_other_than_the_trusted_one_is_refused(trusting: ssl.SSLContext) -> None:
    async with run_tls_service(trustme.CA().issue_cert(HOST)) as service:
        assert "ssl=" in await read_refusal(service, ssl=trusting)


async def test_certificate_of_another_host_is_refused(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    async with run_tls_service(authority.issue_cert("api.elevenlabs.example")) as service:
        text = await read_refusal(service, ssl=trusting)
    assert "IP address mismatch" in text
    assert text.endswith("(check the host of base_url)")


async def test_expired_certificate_is_refused_and_error_says_so(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    certificate = authority.issue_cert(HOST, not_before=LONG_AGO - timedelta(days=90), not_after=LONG_AGO)
    async with run_tls_service(certificate) as service:
        text = await read_refusal(service, ssl=trusting)
    assert "certificate has expired" in text
    assert text.endswith("(renew the server's certificate, or set the clock of this machine)")


@pytest.mark.parametrize("operation", ["list", "prefetch", "get_raw", "get_many", "stream", "download", "harvest"])
async def test_operation_works_over_tls_with_a_trusted_authority(
    operation: str, authority: trustme.CA, trusting: ssl.SSLContext, tmp_path: Path
) -> None:
    async with run_tls_service(authority.issue_cert(HOST)) as service, service.client(ssl=trusting) as client:
        world = World(service.fake.conversations, client, tmp_path)
        await world.load_recording()
        await getattr(world, operation)()


async def test_server_without_tls_at_https_address_is_not_retried(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async with FakeConvAI(conversations=1) as fake:
        port = urlsplit(fake.url).port
        assert port is not None
        async with TCPProxy(port) as proxy:
            assert "[SSL" in await read_refusal(TLSService(fake, proxy), ssl=trusting)


async def test_server_with_tls_at_http_address_is_a_connection_error(authority: trustme.CA) -> None:
    async with run_tls_service(authority.issue_cert(HOST)) as service, service.client(service.proxy.url) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            await client.conversations.list()
    assert caught.value.attempts == AT_ONCE.attempts
    assert "the connection was lost" in str(caught.value)


@pytest.mark.parametrize(
    "cut",
    [Weather(reset_after=1), Weather(close_after=1), Weather(reset_after=1000), Weather(close_after=1000)],
    ids=["reset at once", "closed at once", "reset within", "closed within"],
)
async def test_connection_cut_during_handshake_is_retried(
    cut: Weather, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async with run_tls_service(authority.issue_cert(HOST)) as service, service.client(ssl=trusting) as client:
        service.proxy.weather = cut
        asked = asyncio.ensure_future(client.conversations.list(page_size=5).collect())
        while not service.proxy.broken:
            await asyncio.sleep(0)
            assert not asked.done()
        service.proxy.weather = Weather()
        assert [summary.conversation_id for summary in await asked] == list(service.fake.conversations)
    assert (service.proxy.broken, service.proxy.connections) == (1, 2)
