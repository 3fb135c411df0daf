"""Makes `aioresponses` work with aiohttp 3.14 and newer."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import aiohttp


class MockedClientResponse(aiohttp.ClientResponse):
    """A response class for ``aioresponses``, whose own lacks the ``stream_writer`` that aiohttp 3.14 requires.

    ::

        with aioresponses() as mocked:
            mocked.get(url, payload={...}, response_class=MockedClientResponse)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock())
        super().__init__(*args, **kwargs)
