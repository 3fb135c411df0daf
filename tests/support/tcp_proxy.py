"""A bad network between a client and a service: a TCP proxy that delays, squeezes, swallows and breaks."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import msgspec

if TYPE_CHECKING:
    from types import TracebackType


class Weather(msgspec.Struct, kw_only=True, frozen=True):
    """How bad the network is. A connection has the weather in which it was made.

    Attributes:
        latency: Seconds that each piece takes, in each direction.
        jitter: Seconds more, at most.
        bandwidth: Bytes a second, in each direction; None is no bound.
        piece: Bytes at a time, at most.
        reset_after: The connection is reset after so many bytes from the service, drawn up to this number.
        close_after: The connection is closed after so many bytes from the service, drawn up to this number.
        black_hole_after: Nothing arrives any more after so many bytes from the service; 0 swallows everything.
    """

    latency: float = 0
    jitter: float = 0
    bandwidth: float | None = None
    piece: int = 65_536
    reset_after: int | None = None
    close_after: int | None = None
    black_hole_after: int | None = None


class TCPProxy:
    """``async with TCPProxy(port) as proxy:``; ``proxy.url`` is where to find the service.

    Args:
        port: The service's port on this machine.
        seed: Decides the jitter and where connections break.

    Attributes:
        weather: The weather of the connections that are made from now on.
        connections: How many were made.
        broken: How many of them the weather broke.
    """

    def __init__(self, port: int, seed: int = 0) -> None:
        self.weather = Weather()
        self.connections = 0
        self.broken = 0
        self._service = port
        self._rng = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self, port: int = 0) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", port)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections, and cut those that there are."""
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Cut all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def reopen(self) -> None:
        """Listen again, where it was."""
        await self.open(self.port)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._tunnel(reader, writer, "127.0.0.1", self._service)

    async def _tunnel(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, greeting: bytes = b""
    ) -> None:
        """Connect to a service, send the client a greeting, and pass on what both send."""
        weather = self.weather
        service_reader, service_writer = await asyncio.open_connection(host, port)
        try:
            writer.write(greeting)
            upwards = asyncio.ensure_future(self._pump(reader, service_writer, weather, None))
            try:
                await self._pump(service_reader, writer, weather, self._fate(weather))
            finally:
                upwards.cancel()
        finally:
            service_writer.transport.abort()

    def _fate(self, weather: Weather) -> int | None:
        if weather.black_hole_after is not None:
            return weather.black_hole_after
        limit = weather.reset_after if weather.reset_after is not None else weather.close_after
        return None if limit is None else self._rng.randrange(limit)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, weather: Weather, breaks_after: int | None
    ) -> None:
        passed = 0
        while data := await reader.read(weather.piece):
            await asyncio.sleep(weather.latency + self._rng.uniform(0, weather.jitter))
            if weather.bandwidth is not None:
                await asyncio.sleep(len(data) / weather.bandwidth)
            if breaks_after is not None and passed + len(data) > breaks_after:
                writer.write(data[: breaks_after - passed])
                await self._break(writer, weather)
                return
            passed += len(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def _break(self, writer: asyncio.StreamWriter, weather: Weather) -> None:
        self.broken += 1
        if weather.black_hole_after is not None:
            await asyncio.Event().wait()  # until the proxy or the client closes
        if weather.reset_after is not None:
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            await writer.drain()
            writer.close()
