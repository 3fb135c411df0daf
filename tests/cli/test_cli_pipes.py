"""``list``, ``search``, ``show`` and ``export`` in a pipe: whole records, one a line; what is left out is said."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from archives import import_file
from hypothesis import given
from hypothesis import strategies as st

from convai_async.archive import Archive
from convai_async.cli._app import run
from convai_async.cli._moments import Clock
from convai_async.cli._output import service_json
from convai_async.cli._transcript import Transcript
from convai_async.errors import InvalidArgumentError
from convai_async.models import Conversation, ConversationSummary
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["cli_fixtures"]


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_list_says_when_more_exist(service: FakeConvAI, option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--base-url", service.url, "--limit", "39", *option]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (39, "Showing 39; more exist: raise --limit.\n")
    assert run(["list", "--base-url", service.url, "--limit", "40", *option]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (40, "")


def test_list_that_is_empty_says_so(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--base-url", service.url, "--agent", "nope"]) == 0
    assert tuple(capsys.readouterr()) == ("", "no conversations match these filters\n")
    service.faults.add(
        faults.change(lambda page: page.update(conversations=[], has_more=False)), operation="list_conversations"
    )
    assert run(["list", "--base-url", service.url]) == 0
    assert capsys.readouterr().err == "no conversations\n"


def test_service_json_is_the_service_s_own_line_where_it_was_kept() -> None:
    pretty = b'{\n  "conversation_id": "conv_1",\n  "newer": 1.50\n}'
    kept = SimpleNamespace(raw_json=pretty)
    assert service_json(kept) == b'{"conversation_id":"conv_1","newer":1.50}'  # type: ignore[arg-type]
    assert json.loads(service_json(ConversationSummary(conversation_id="conv_1")))["conversation_id"] == "conv_1"


def test_search_says_how_many_there_are(harvested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", str(harvested), "refund", "--limit", "100000"]) == 0
    out, err = capsys.readouterr()
    total = out.count("\n")
    assert err == ""
    assert run(["search", str(harvested), "refund", "--limit", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (2, f"Showing 2 of {total}: raise --limit.\n")
    assert run(["search", str(harvested), "refund", "--limit", str(total)]) == 0
    assert capsys.readouterr().err == ""


def test_count_hits_is_what_search_finds(harvested: Path) -> None:
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


def test_show_gives_each_turn_as_one_line(service: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    conversation_id = next(iter(service.conversations))
    message = "first line\nsecond\tline  " + "long " * 100 + "end"
    result = {"type": "webhook", "tool_name": "find", "result_value": "x" * 5000}
    longer = faults.change(
        lambda document: document.update(transcript=[{"role": "user", "message": message, "tool_results": [result]}])
    )
    service.faults.add(longer, operation="get_conversation")
    assert run(["show", conversation_id, "--base-url", service.url, "--utc"]) == 0
    out = capsys.readouterr().out
    assert f"user: first line second line {'long ' * 100}end\n" in out
    assert f"result: find {'x' * 5000}\n" in out
    assert not any(line.endswith(" ") for line in out.splitlines()), "nothing is padded"
    assert "\x1b" not in out
    assert " UTC | " in out


@given(st.text(), st.sampled_from(["user", "agent", None, "\n"]))
def test_transcript_has_a_line_for_each_turn_whatever_was_said(message: str, role: str | None) -> None:
    document = {"conversation_id": "conv_1", "transcript": [{"role": role, "message": message or "x"}] * 3}
    transcript = Transcript(Conversation.from_json(json.dumps(document)), Clock(utc=True))
    text = "\n".join(transcript.lines())
    assert len(text.splitlines()) == 2 + 3


def test_export_to_standard_output_is_what_export_writes(
    harvested: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for suffix, options in (
        ("jsonl", []),
        ("csv", ["--format", "csv"]),
        ("csv", ["--format", "csv", "--table", "turns"]),
    ):
        table = options[2:]
        file = tmp_path / f"calls-{len(table)}.{suffix}"
        assert run(["export", str(harvested), str(file), *table]) == 0
        capfdbinary.readouterr()
        assert run(["export", str(harvested), "-", *options]) == 0
        out, err = capfdbinary.readouterr()
        assert (out, err) == (file.read_bytes(), b"")
    assert run(["export", str(harvested), "-", "--table", "turns"]) == 2
    assert b"goes with CSV only" in capfdbinary.readouterr().err


def test_export_replaces_a_file_with_force_only(
    harvested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text("my thesis")
    assert run(["export", str(harvested), str(file)]) == 2
    assert "exists already: name another file, or add --force" in capsys.readouterr().err
    assert file.read_text() == "my thesis"
    assert run(["export", str(harvested), str(file), "--force"]) == 0
    assert import_file(tmp_path / "copy.db", file) == 30
    assert [each.name for each in tmp_path.glob(".*")] == [], "no temporary file stays"


def test_export_never_replaces_the_archive_or_a_folder(harvested: Path, tmp_path: Path) -> None:
    alias = tmp_path / "calls.csv"
    alias.symlink_to(harvested)
    (tmp_path / "folder.csv").mkdir()
    with Archive.open(harvested) as opened:
        with pytest.raises(InvalidArgumentError, match="is the archive itself"):
            opened.export(alias, overwrite=True)
        with pytest.raises(InvalidArgumentError, match="is a folder: name another"):
            opened.export(tmp_path / "folder.csv", overwrite=True)
        assert opened.status().conversations == 30


@pytest.mark.parametrize("name", ["parts", "parts.parquet", "parts.2026"])
def test_export_in_parts_makes_a_folder_of_any_name(harvested: Path, tmp_path: Path, name: str) -> None:
    assert run(["export", str(harvested), f"{tmp_path / name}/", "--partition"]) == 0
    assert all(part.name.startswith("date=") for part in (tmp_path / name).iterdir())
    assert run(["export", str(harvested), str(tmp_path / name), "--partition", "--force"]) == 2
    with Archive.open(harvested) as opened, pytest.raises(InvalidArgumentError, match=r"goes with \.parquet only"):
        opened.export(tmp_path / "parts.csv", partition=True)


def test_export_to_stream_refuses_a_table_that_jsonl_does_not_have(harvested: Path) -> None:
    with Archive.open(harvested) as opened, pytest.raises(InvalidArgumentError, match="table"):
        opened.export_to_stream(None, table="turns")  # type: ignore[arg-type]
