from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from unmeasured import unmeasured

if TYPE_CHECKING:
    import pytest

    from convai_async.testing import FakeConvAI
    from pytest_convai_async import FakeConvAIFactory

pytest_plugins = ["pytester"]


async def test_the_fixture_is_a_running_service(fake_convai: FakeConvAI) -> None:
    assert fake_convai.url
    assert len(fake_convai.conversations) == 100


def test_a_user_s_suite_in_strict_mode_can_use_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from convai_async import ConvAIClient

        @pytest.mark.asyncio
        async def test_mine(fake_convai):
            async with ConvAIClient(fake_convai.api_key, base_url=fake_convai.url) as client:
                assert len(await client.conversations.list()) == 100
    """)
    result = pytester.runpytest_subprocess("-q", "-o", "asyncio_mode=strict", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


async def test_the_factory_runs_services_with_arguments_of_ones_own(
    fake_convai_factory: FakeConvAIFactory,
) -> None:
    one = await fake_convai_factory(conversations=0, api_key="xi-one")
    other = await fake_convai_factory(conversations=3, seed=7)
    assert (one.api_key, len(one.conversations), len(other.conversations)) == ("xi-one", 0, 3)
    assert one.url != other.url


def test_a_user_s_fixture_can_use_the_factory_which_closes_everything(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest, pytest_asyncio
        from convai_async import ConvAIClient

        services = []

        @pytest_asyncio.fixture
        async def fake(fake_convai_factory):
            services.append(await fake_convai_factory(conversations=0))
            services[0].add("conv_1", transcript=[("user", "Hello")])
            return services[0]

        @pytest.mark.asyncio
        async def test_mine(fake):
            async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
                assert (await client.conversations.get("conv_1")).transcript[0].message == "Hello"

        def test_it_is_closed():
            with pytest.raises(RuntimeError, match="not running"):
                services[0].url
    """)
    result = pytester.runpytest_subprocess("-q", "-o", "asyncio_mode=strict", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)


def test_loading_the_plugin_imports_neither_the_package_nor_aiohttp() -> None:
    script = "import sys, pytest_convai_async; print({'aiohttp', 'convai_async', 'msgspec'} & sys.modules.keys())"
    command = [sys.executable, "-P", "-c", script]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=unmeasured())
    assert result.stdout.strip() == "set()"


def test_a_suite_without_pytest_asyncio_is_told_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("")
    pytester.makepyfile(block="import sys; sys.modules['pytest_asyncio'] = None")
    pytester.makepyfile("def test_mine(fake_convai): pass")
    result = pytester.runpytest_subprocess("-q", "-p", "block", "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install pytest-asyncio*"])
