"""The fixture ``fake_convai`` for pytest; it needs pytest-asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from convai_async.testing.fake import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def _fake_convai() -> AsyncIterator[FakeConvAI]:
    """Run a `convai_async.testing.FakeConvAI` with 100 conversations for the time of a test."""
    async with FakeConvAI() as service:
        yield service


def _missing() -> None:
    """Say what is missing."""
    pytest.fail("the fixture fake_convai needs pytest-asyncio: pip install pytest-asyncio")


try:
    import pytest_asyncio
except ModuleNotFoundError:
    fake_convai: Any = pytest.fixture(name="fake_convai")(_missing)
else:
    fake_convai = pytest_asyncio.fixture(name="fake_convai")(_fake_convai)
