"""``convai-async harvest --share``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from convai_async._transport.limiter import ConcurrencyLimiter
from convai_async.cli._app import app

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_harvest_uses_the_share_that_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    make = ConcurrencyLimiter.__init__

    def noted(self: ConcurrencyLimiter, maximum: int, share: float = 1.0) -> None:
        shares.append(share)
        make(self, maximum, share)

    monkeypatch.setattr(ConcurrencyLimiter, "__init__", noted)
    command = ["harvest", str(tmp_path / "calls.db"), "--sandbox", "5"]
    assert CliRunner().invoke(app, [*command, "--share", "0.5"]).exit_code == 0
    assert CliRunner().invoke(app, command).exit_code == 0
    assert shares == [0.5, 1.0]
    for share in ("0", "1.5"):
        assert CliRunner().invoke(app, [*command, "--share", share]).exit_code == 2
