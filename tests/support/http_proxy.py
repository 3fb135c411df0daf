"""An HTTP proxy for CONNECT, as companies have it: with a password, and one that refuses, hangs or cuts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_PIECE = 65_536


class HTTPProxy:
    """``async with HTTPProxy() as proxy:``; it listens on ``proxy.port``.

    Attributes:
        targets: The method and address of each request, in order.
        authorizations: The Proxy-Authorization header of each request; empty if there was none.
        answer: What it answers in place of opening a tunnel; an empty text only hangs up.
        hang: Whether it answers nothing at all.
        cut_after: Closes a tunnel after so many bytes of the server; None never does.
    """

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.authorizations: list[str] = []
        self.answer: str | None = None
        self.hang = False
        self.cut_after: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Cut all tunnels."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        method, target, _ = request.split(" ")
        self.targets.append(f"{method} {target}")
        self.authorizations.append(headers.get("proxy-authorization", ""))
        if self.hang:
            await asyncio.Event().wait()
        if self.answer is not None:
            writer.write(self.answer.encode())
            await writer.drain()
            writer.close()
            return
        host, port = target.rsplit(":", 1)
        server_reader, server_writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            upwards = asyncio.ensure_future(self._pump(reader, server_writer, None))
            try:
                await self._pump(server_reader, writer, self.cut_after)
            finally:
                upwards.cancel()
        finally:
            server_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
        passed = 0
        while data := await reader.read(_PIECE):
            writer.write(data if limit is None else data[: limit - passed])
            await writer.drain()
            passed += len(data)
            if limit is not None and passed >= limit:
                return
        writer.write_eof()
