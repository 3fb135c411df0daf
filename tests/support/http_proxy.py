"""An HTTP proxy for CONNECT, as companies have it: with a password, and one that refuses, hangs or cuts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tcp_proxy import TCPProxy

if TYPE_CHECKING:
    from tcp_proxy import Weather


class HTTPProxy(TCPProxy):
    """``async with HTTPProxy() as proxy:``; it listens on ``proxy.port``.

    Attributes:
        targets: The method and address of each request, in order.
        authorizations: The Proxy-Authorization header of each request; empty if there was none.
        answer: What it answers in place of opening a tunnel; an empty text only hangs up.
        hang: Whether it answers nothing at all.
        cut_after: Closes a tunnel after so many bytes of the server; None never does.
    """

    def __init__(self) -> None:
        super().__init__(0)  # each request names its server
        self.targets: list[str] = []
        self.authorizations: list[str] = []
        self.answer: str | None = None
        self.hang = False
        self.cut_after: int | None = None

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
        await self._tunnel(reader, writer, host, int(port), b"HTTP/1.1 200 Connection established\r\n\r\n")

    def _fate(self, _: Weather) -> int | None:
        return self.cut_after
