"""The pytest fixtures ``fake_convai`` and ``fake_convai_factory``, which need pytest-asyncio.

pytest imports this module in every run of every project. It is outside the package so that this does not import
convai_async and aiohttp; only a fixture does.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.testing import FakeConvAI


class FakeConvAIFactory(Protocol):
    """Starts services with the arguments of `convai_async.testing.FakeConvAI`."""

    async def __call__(self, **arguments: Any) -> FakeConvAI:
        """Start a service that runs until the end of the test."""


async def _fake_convai_factory() -> AsyncIterator[FakeConvAIFactory]:
    """Start services with your own arguments; all are closed after the test.

    ::

        async def test_my_code(fake_convai_factory):
            fake = await fake_convai_factory(conversations=0, seed=7)
    """
    from convai_async.testing import FakeConvAI  # noqa: PLC0415 - not imported in other runs

    async with AsyncExitStack() as services:

        async def start(**arguments: Any) -> FakeConvAI:
            return await services.enter_async_context(FakeConvAI(**arguments))

        yield start


async def _fake_convai(fake_convai_factory: FakeConvAIFactory) -> FakeConvAI:
    """Run a `convai_async.testing.FakeConvAI` with 100 conversations during a test."""
    return await fake_convai_factory()


def _fail() -> None:
    """Fail with what to install."""
    pytest.fail("the fixtures fake_convai and fake_convai_factory need pytest-asyncio: pip install pytest-asyncio")


try:
    import pytest_asyncio
except ModuleNotFoundError:
    fake_convai_factory: Any = pytest.fixture(name="fake_convai_factory")(_fail)
    fake_convai: Any = pytest.fixture(name="fake_convai")(_fail)
else:
    fake_convai_factory = pytest_asyncio.fixture(name="fake_convai_factory")(_fake_convai_factory)
    fake_convai = pytest_asyncio.fixture(name="fake_convai")(_fake_convai)
