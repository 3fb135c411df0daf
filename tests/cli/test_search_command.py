"""``convai-async search``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from command_line import COMMAND, remove_styles, run_in_terminal

from convai_async.archive import Archive
from convai_async.cli._app import run
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["cli_fixtures"]

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"


def test_search_prints_time_conversation_and_speaker(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["search", str(harvested), "refund", "--limit", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(re.match(STAMP + r"  conv_\w+ +\d+:\d\d (user|agent): ", line) for line in lines)
    assert run(["search", str(harvested), "refund", "--json", "--until", "2000-01-01"]) == 0
    assert capsys.readouterr().out == ""
    assert run(["search", str(harvested), "refund", "--json", "--limit", "1"]) == 0
    assert "refund" in json.loads(capsys.readouterr().out)["message"]
    assert run(["search", str(harvested), "-"]) == 2


def test_search_without_results_prints_a_note(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", str(harvested), "xylophone"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "no results\n")


def test_filtered_search_without_results_mentions_the_filters(
    harvested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["search", str(harvested), "refund", "--since", "2100-01-01"]) == 0
    assert capsys.readouterr().err == "no results in conversations that match the filters\n"


def test_search_prints_the_total_when_there_are_more(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", str(harvested), "refund", "--limit", "100000"]) == 0
    out, err = capsys.readouterr()
    total = out.count("\n")
    assert err == ""
    assert run(["search", str(harvested), "refund", "--limit", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (2, f"showing 2 of {total} results; use --limit to show more\n")
    assert run(["search", str(harvested), "refund", "--limit", str(total)]) == 0
    assert capsys.readouterr().err == ""


def test_count_hits_equals_the_number_of_search_results(harvested: Path) -> None:
    with Archive.open(harvested) as opened:
        middle = opened.status().newest_unix_secs
        assert middle is not None
        agents = {conversation.agent_id for conversation in opened.conversations()}
        for text in ("refund", "the", "xylophone", '"the refund"', "r*"):
            for filters in ({}, {"since": middle - 10**6}, {"until": middle}, {"agent_id": agents.pop()}):
                assert opened.count_hits(text, **filters) == len(list(opened.search(text, **filters)))
            agents = {conversation.agent_id for conversation in opened.conversations()}
        with pytest.raises(InvalidArgumentError, match="no word"):
            opened.count_hits("-")


def test_search_on_a_terminal_prints_unwrapped_lines(harvested: Path) -> None:
    shown = run_in_terminal([*COMMAND, "search", str(harvested), "refund", "--limit", "2"], columns=60)
    *lines, note = remove_styles(shown).splitlines()
    assert len(lines) == 2
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d  conv_\w+ +\d+:\d\d (user|agent): ", line) for line in lines)
    assert max(map(len, lines)) > 60, "the terminal wraps long lines"
    assert note.startswith("showing 2 of ")
