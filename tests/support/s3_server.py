"""An S3 server in a process of its own (moto), behind a proxy that records the requests and can answer in its place."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from threading import Thread
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen
from uuid import uuid4

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from yarl import URL

from convai_async.archive._recordings import _object_storage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    import pytest

TEST_KEY = "AKIA-test-key-id"
TEST_SECRET = "test-secret-key"

_STARTED = re.compile(r"Running on (http://\S+)")


@contextmanager
def s3_server() -> Iterator[str]:
    """Start a server, and yield its URL."""
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = next(found[1] for line in process.stderr if (found := _STARTED.search(line)))
        drain = Thread(target=process.stderr.read)  # it logs each request
        drain.start()
        try:
            yield url
        finally:
            process.terminate()
            drain.join()


class Bucket:
    """A new bucket of a server.

    Attributes:
        name: Its name.
        url: The URL for a harvest.
        requests: The method and path (with the query) of each request, in order.
        respond: Called with each request and its number for its method; returns a response in place of the server's.
    """

    def __init__(self, server: str) -> None:
        self.name = f"bucket-{uuid4().hex}"
        self.url = f"s3://{self.name}/calls"
        self.requests: list[tuple[str, str]] = []
        self.respond: Callable[[web.Request], Awaitable[web.Response | None]] = _forward
        self._server = server
        self._send("PUT")

    def _send(self, method: str, path: str = "", content: bytes | None = None) -> tuple[bytes, dict[str, str]]:
        # The server checks that there is a signature, and not whether it is right.
        signature = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"
        headers = {"Authorization": signature, "Content-Type": "audio/mpeg"}
        request = Request(f"{self._server}/{self.name}{path}", content, headers, method=method)
        with urlopen(request) as response:
            return response.read(), {name.lower(): text for name, text in response.headers.items()}

    @property
    def keys(self) -> list[str]:
        """The keys of its objects."""
        return re.findall("<Key>(.*?)</Key>", self._send("GET", "?list-type=2")[0].decode())

    @property
    def unfinished_uploads(self) -> int:
        """The number of multipart uploads that were neither completed nor aborted."""
        return self._send("GET", "?uploads")[0].count(b"<UploadId>")

    def get(self, key: str) -> tuple[bytes, dict[str, str]]:
        """Return the bytes of an object, and the headers."""
        return self._send("GET", f"/{key}")

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self._send("PUT", f"/{key}", content)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._send("DELETE", f"/{key}")

    def count(self, method: str) -> int:
        """Return how many requests with a method there were."""
        return sum(each == method for each, _ in self.requests)

    def uploaded(self) -> list[str]:
        """Return the keys of the objects that were uploaded in one request, in order."""
        return [
            path.removeprefix(f"/{self.name}/")
            for method, path in self.requests
            if (method, "?" in path) == ("PUT", False)
        ]


async def _forward(_: web.Request) -> web.Response | None:
    return None


@asynccontextmanager
async def open_bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    """Make a bucket, and point the environment to the proxy in front of it."""
    bucket = Bucket(server)

    async def handle(request: web.Request) -> web.StreamResponse:
        bucket.requests.append((request.method, request.path_qs))
        answer = await bucket.respond(request)
        if answer is not None:
            return answer
        headers = {
            name: text for name, text in request.headers.items() if name.lower() not in {"host", "content-length"}
        }
        target = URL(f"{server}{request.raw_path}", encoded=True)
        async with session.request(
            request.method, target, headers=headers, data=BytesIO(await request.read())
        ) as response:
            if request.method == "HEAD":
                head = web.StreamResponse(status=response.status, headers=response.headers)
                await head.prepare(request)
                await head.write_eof()
                return head
            kept = {k: v for k, v in response.headers.items() if k.lower() not in {"content-length", "connection"}}
            return web.Response(status=response.status, headers=kept, body=await response.read())

    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", handle)
    async with ClientSession(auto_decompress=False) as session, TestServer(app) as proxy:
        set_environment(monkeypatch, str(proxy.make_url("")))
        yield bucket


def set_environment(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Set the variables that obstore reads, for a server without TLS."""
    _object_storage.connect.cache_clear()
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": TEST_KEY,
        "AWS_SECRET_ACCESS_KEY": TEST_SECRET,
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


def refuse(status: int, code: str) -> web.Response:
    """Return an error response of S3."""
    return web.Response(status=status, text=f"<Error><Code>{code}</Code><Message>no</Message></Error>")
