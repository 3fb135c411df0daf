"""``convai-async wait``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from convai_async.cli._app import run

if TYPE_CHECKING:
    from convai_async.testing import FakeConvAI

pytest_plugins = ["cli_fixtures"]


def test_wait_returns_when_the_conversation_is_done(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    conversation_id = next(iter(service.conversations))
    assert run(["wait", conversation_id, "--base-url", service.url]) == 0
    assert capsys.readouterr().out == f"{conversation_id}: done\n"
    assert run(["wait", conversation_id, "--base-url", service.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["conversation_id"] == conversation_id


@pytest.mark.parametrize(
    ("status", "code", "problem"),
    [("failed", 1, "has the final status 'failed'"), ("processing", 4, "has the status 'processing' after 0 s")],
)
def test_wait_exits_with_1_for_failed_and_4_for_not_done(
    service: FakeConvAI, status: str, code: int, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation_id = service.add(status=status)
    assert run(["wait", conversation_id, "--base-url", service.url, "--max-wait", "0"]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert problem in err
