"""What `aioresponses` needs to work with aiohttp 3.14 and newer."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import aiohttp


class MockedClientResponse(aiohttp.ClientResponse):
    """A response for ``aioresponses``, whose own cannot be made since aiohttp 3.14 asks for a ``stream_writer``.

    ::

        with aioresponses() as mocked:
            mocked.get(url, payload={...}, response_class=MockedClientResponse)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock())
        super().__init__(*args, **kwargs)
