"""Ends connections as networks do."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import asyncio

ConnectionEnd = Literal["close", "reset", "half-close"]
"""How the server ends a connection: with FIN (``"close"``), with RST, or by closing only its own side."""


def cut(transport: asyncio.Transport | None, end: ConnectionEnd) -> None:
    """End a connection; None is one that has ended already."""
    if transport is None:
        return
    if end == "half-close":
        transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
    elif end == "reset":
        # With a linger time of 0, closing the socket sends RST.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
