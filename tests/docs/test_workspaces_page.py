"""The file and the Python of the page on many workspaces work."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import msgspec
from documentation import DOCS, blocks

from convai_async.archive import Archive
from convai_async.harvest import Workspace, read_workspaces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from convai_async.testing import FakeConvAI

PAGE = DOCS / "workspaces.md"


def write_documented_file(folder: Path) -> Path:
    file = folder / "workspaces.toml"
    file.write_text(next(blocks(PAGE, "toml")).code)
    return file


def test_documented_file_is_valid_and_the_table_has_every_field(tmp_path: Path) -> None:
    acme, globex = read_workspaces(write_documented_file(tmp_path))
    assert acme.archive == str(tmp_path / "acme/calls.db")
    assert globex.agents == ("agent_1", "agent_2")
    rows = [
        line.split("`")[1] for line in PAGE.read_text().split("## Failures")[0].splitlines() if line.startswith("| `")
    ]
    assert tuple(rows) == Workspace.__struct_fields__
    written = tomllib.loads((tmp_path / "workspaces.toml").read_text())["workspaces"][1]
    assert {*written, "base_url", "recordings"} == {*msgspec.structs.asdict(globex)}


async def test_documented_functions_harvest_the_workspaces(
    load: Callable[[str], dict[str, Any]],
    at_home: FakeConvAI,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACME_KEY", at_home.api_key)
    (tmp_path / "acme").mkdir()
    write_documented_file(tmp_path)
    page = load("workspaces")
    await page["nightly"]()
    acme, globex = capsys.readouterr().out.splitlines()
    assert acme == f"acme {len(at_home.conversations)} None"
    assert globex.startswith("globex 0 key: '/run/secrets/globex' cannot be read")

    async def read_from_vault(name: str) -> str:
        return at_home.api_key

    page["open_client"].__wrapped__.__globals__["read_from_vault"] = read_from_vault
    (tmp_path / "acme/calls.db").unlink()
    await page["nightly_with_vault"]()
    with Archive.open(tmp_path / "acme/calls.db") as archive:
        assert archive.status().conversations == len(at_home.conversations)
