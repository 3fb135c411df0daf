"""A response class for `aioresponses` that works with every version of aiohttp."""

from __future__ import annotations

import inspect
from typing import Any
from unittest.mock import Mock

import aiohttp

_NEEDS_STREAM_WRITER = "stream_writer" in inspect.signature(aiohttp.ClientResponse).parameters  # aiohttp 3.14


class MockedClientResponse(aiohttp.ClientResponse):
    """A response class for ``aioresponses``, whose own lacks the ``stream_writer`` that aiohttp 3.14 requires.

    ::

        with aioresponses() as mocked:
            mocked.get(url, payload={...}, response_class=MockedClientResponse)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _NEEDS_STREAM_WRITER:
            kwargs.setdefault("stream_writer", Mock())
        super().__init__(*args, **kwargs)
