"""A fake service that listens for TLS too, with a certificate that is made for the test."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web
from tcp_proxy import TCPProxy

from convai_async import ConvAIClient, RetryPolicy
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trustme

HOST = "127.0.0.1"
AT_ONCE = RetryPolicy(attempts=3, wait_initial=0, wait_max=0)


class TLSService:
    """A fake service that listens for TLS, behind a proxy."""

    def __init__(self, fake: FakeConvAI, proxy: TCPProxy) -> None:
        self.fake = fake
        self.proxy = proxy
        self.url = proxy.url.replace("http:", "https:")

    def client(self, url: str | None = None, **settings: Any) -> ConvAIClient:
        return ConvAIClient(self.fake.api_key, base_url=url or self.url, retry=AT_ONCE, **settings)


@asynccontextmanager
async def run_tls_service(certificate: trustme.LeafCert) -> AsyncIterator[TLSService]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    async with FakeConvAI(conversations=20, audio_bytes=150_000) as fake:
        assert fake._running is not None
        runner, _ = fake._running
        await web.TCPSite(runner, HOST, 0, ssl_context=context).start()
        async with TCPProxy(runner.addresses[-1][1]) as proxy:
            yield TLSService(fake, proxy)
