"""``--verbose`` and ``--debug``."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from convai_async.cli._app import run
from convai_async.cli._logging import log_to_stderr
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["cli_fixtures"]


def test_verbose_logs_requests_and_debug_logs_tracebacks_without_the_key(
    service: FakeConvAI, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.retry.RetryPolicy.compute_backoff", lambda *_: 0.0)
    service.faults.add(faults.status(503), operation="list_conversations")
    assert run(["list", "--base-url", service.url, "--limit", "1", "-v"]) == 0
    err = capsys.readouterr().err
    assert re.search(r"^GET /v1/convai/conversations: 503, \d\.\d{3} s", err, re.MULTILINE)
    assert re.search(r"^attempt 1 failed, next in 0\.00 s: ", err, re.MULTILINE)
    assert re.search(r"^GET /v1/convai/conversations: 200, \d\.\d{3} s \(req_\w+\)$", err, re.MULTILINE)
    assert service.api_key not in err
    monkeypatch.setenv("ELEVENLABS_API_KEY", "wrong-key")
    assert run(["list", "--base-url", service.url, "--debug"]) == 2
    err = capsys.readouterr().err
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} DEBUG convai_async: GET /v1/convai/conversations: 401", err, re.MULTILINE)
    assert "AuthenticationError" in err
    assert "Traceback (most recent call last)" in err
    assert "wrong-key" not in err
    assert logging.getLogger("convai_async").level == logging.NOTSET, "the next command is quiet again"
    assert run(["list", "--base-url", service.url, "--limit", "1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_warnings_are_printed_without_options(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("convai_async")
    with log_to_stderr():
        logger.info("not this")
        logger.warning("watching goes on\x1b[2J in %d s", 30)
        logger.error("left out", exc_info=ValueError("it broke"))
    assert capsys.readouterr().err == "watching goes on[2J in 30 s\nleft out: it broke\n"
