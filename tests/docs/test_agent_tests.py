"""The documentation's tests of an agent run with pytest, and write a report."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from documentation import EXAMPLES
from threaded_service import ThreadedService

if TYPE_CHECKING:
    from convai_async.testing.live import Turn

pytest_plugins = ["pytester"]


@pytest.mark.usefixtures("key")
def test_report_has_the_test_that_fails_and_the_conversations(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the example needs none, and they are slow to import

    async def reply(turn: Turn) -> str | None:
        if "goodbye" in turn.text:
            await turn.say("Bye!")
            await turn.end_call()
            return None
        if "7" not in turn.text:
            return "What is its number?"
        await turn.call_tool("lookup_order", {"number": 7})
        return "I cannot find it."

    with ThreadedService(conversations=0) as fake:
        fake.live.add_agent("agent_1", reply=reply)
        pytester.makeconftest(f"import convai_async._configuration as c; c._HOSTS['global'] = {fake.url!r}")
        pytester.makepyfile(test_agent=EXAMPLES["live_dialogues"].source)
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--junitxml=agent.xml")
        ids = {each.conversation_id for each in fake.live.conversations}
    result.assert_outcomes(passed=3, failed=1)
    report = ET.parse(pytester.path / "agent.xml")
    assert {each.get("value") for each in report.iter("property")} == ids
    [failure] = report.iter("failure")
    assert "I cannot find it." in str(failure.get("message"))
