"""The pytest fixtures ``fake_convai`` and ``fake_convai_factory``; they need pytest-asyncio.

This module stands beside the package because pytest loads it in every run of every project: importing it from within
would import the package, and with it aiohttp, also where nobody uses a fixture.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.testing import FakeConvAI


class FakeConvAIFactory(Protocol):
    """Starts a `convai_async.testing.FakeConvAI` with these arguments."""

    async def __call__(self, **arguments: Any) -> FakeConvAI:
        """Start a service, which runs until the test is over."""


async def _fake_convai_factory() -> AsyncIterator[FakeConvAIFactory]:
    """Start services with arguments of your own; all are closed after the test.

    ::

        async def test_my_code(fake_convai_factory):
            fake = await fake_convai_factory(conversations=0, seed=7)
    """
    from convai_async.testing import FakeConvAI  # noqa: PLC0415 - only tests that use it pay for it

    async with AsyncExitStack() as services:

        async def start(**arguments: Any) -> FakeConvAI:
            return await services.enter_async_context(FakeConvAI(**arguments))

        yield start


async def _fake_convai(fake_convai_factory: FakeConvAIFactory) -> FakeConvAI:
    """Run a `convai_async.testing.FakeConvAI` with 100 conversations for the time of a test."""
    return await fake_convai_factory()


def _missing() -> None:
    """Say what is missing."""
    pytest.fail("the fixtures fake_convai and fake_convai_factory need pytest-asyncio: pip install pytest-asyncio")


try:
    import pytest_asyncio
except ModuleNotFoundError:
    fake_convai_factory: Any = pytest.fixture(name="fake_convai_factory")(_missing)
    fake_convai: Any = pytest.fixture(name="fake_convai")(_missing)
else:
    fake_convai_factory = pytest_asyncio.fixture(name="fake_convai_factory")(_fake_convai_factory)
    fake_convai = pytest_asyncio.fixture(name="fake_convai")(_fake_convai)
