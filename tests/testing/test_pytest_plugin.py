from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from unmeasured import unmeasured

if TYPE_CHECKING:
    from convai_async.testing import FakeConvAI
    from pytest_convai_async import FakeConvAIFactory

pytest_plugins = ["pytester"]


async def test_fixture_is_a_running_service(fake_convai: FakeConvAI) -> None:
    assert fake_convai.url
    assert len(fake_convai.conversations) == 100


@pytest.mark.slow
def test_fixture_works_in_strict_asyncio_mode(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from convai_async import ConvAIClient

        @pytest.mark.asyncio
        async def test_list(fake_convai):
            async with ConvAIClient(fake_convai.api_key, base_url=fake_convai.url) as client:
                assert len(await client.conversations.list()) == 100
    """)
    result = pytester.runpytest_subprocess("-q", "-o", "asyncio_mode=strict", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


async def test_factory_starts_services_with_the_given_arguments(
    fake_convai_factory: FakeConvAIFactory,
) -> None:
    one = await fake_convai_factory(conversations=0, api_key="xi-one")
    other = await fake_convai_factory(conversations=3, seed=7)
    assert (one.api_key, len(one.conversations), len(other.conversations)) == ("xi-one", 0, 3)
    assert one.url != other.url


@pytest.mark.slow
def test_fixture_of_a_user_can_use_the_factory_which_closes_its_services(pytester: pytest.Pytester) -> None:
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
        async def test_get(fake):
            async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
                assert (await client.conversations.get("conv_1")).transcript[0].message == "Hello"

        def test_service_is_closed():
            with pytest.raises(RuntimeError, match="not running"):
                services[0].url
    """)
    result = pytester.runpytest_subprocess("-q", "-o", "asyncio_mode=strict", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)


def test_plugin_module_imports_neither_the_package_nor_aiohttp() -> None:
    script = "import sys, pytest_convai_async; print({'aiohttp', 'convai_async', 'msgspec'} & sys.modules.keys())"
    command = [sys.executable, "-P", "-c", script]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=unmeasured())
    assert result.stdout.strip() == "set()"


@pytest.mark.slow
def test_ordinary_pytest_run_loads_the_plugin_but_neither_the_package_nor_aiohttp(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("")
    pytester.makepyfile("""
        import sys

        def test_nothing_is_imported():
            assert "pytest_convai_async" in sys.modules
            assert not {"aiohttp", "convai_async", "msgspec", "tenacity"} & sys.modules.keys()
    """)
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_fixture_without_pytest_asyncio_fails_with_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("")
    pytester.makepyfile(block="import sys; sys.modules['pytest_asyncio'] = None")
    pytester.makepyfile("def test_list(fake_convai): pass")
    result = pytester.runpytest_subprocess("-q", "-p", "block", "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install pytest-asyncio*"])
