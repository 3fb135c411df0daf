from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from convai_async.testing import FakeConvAI

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


def test_a_suite_without_pytest_asyncio_is_told_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("")
    pytester.makepyfile(block="import sys; sys.modules['pytest_asyncio'] = None")
    pytester.makepyfile("def test_mine(fake_convai): pass")
    result = pytester.runpytest_subprocess("-q", "-p", "block", "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install pytest-asyncio*"])
