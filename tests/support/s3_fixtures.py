"""A bucket of an S3 server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from s3_server import Bucket, open_bucket, s3_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of an S3 server."""
    with s3_server() as url:
        yield url


@pytest.fixture
async def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    """A bucket, to which the environment points."""
    async with open_bucket(s3, monkeypatch) as opened:
        yield opened
