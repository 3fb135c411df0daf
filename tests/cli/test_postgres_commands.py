"""Commands with the URL of a PostgreSQL database in place of a file."""

from __future__ import annotations

import io
import json
import re
import subprocess
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import click
import pytest
from both_stores import get_label, hide_names, read_folder
from command_line import COMMAND
from psycopg.conninfo import conninfo_to_dict
from threaded_service import ThreadedService

from convai_async.archive import Archive, build_datasette_metadata, run_query, store_conversation
from convai_async.archive._location import PostgresUrl, format_command, hide_password
from convai_async.cli._app import app, run
from convai_async.errors import InvalidArgumentError
from convai_async.harvest import Workspace, read_workspaces
from convai_async.models import Conversation

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["cli_fixtures", "both_stores_fixtures"]

READING = {
    "show": ["show", "CONVERSATION", "--archive", "ARCHIVE", "--utc"],
    "raw": ["show", "CONVERSATION", "--archive", "ARCHIVE", "--json"],
    "jsonl": ["export", "ARCHIVE", "-"],
    "search": ["search", "ARCHIVE", "refund", "--limit", "7", "--utc"],
    "report": ["report", "ARCHIVE", "--utc", "--since", "2000-01-01", "--compare", "previous"],
    "csv": ["export", "ARCHIVE", "-", "--format", "csv", "--table", "turns", "--agent", "agent_billing"],
}


def run_on_both(stores: tuple[str, str], arguments: list[str]) -> list[str]:
    """Return the outputs of a command for both archives, without their names."""
    with Archive.open(stores[0]) as archive:
        conversation_id = next(archive.conversations()).conversation_id
    outputs = []
    for store in stores:
        words = {"ARCHIVE": store, "CONVERSATION": conversation_id}
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with redirect_stdout(output):
            assert run([words.get(each, each) for each in arguments]) == 0
        output.flush()
        outputs.append(hide_names(stores, output.buffer.getvalue().decode()))
    return outputs


@pytest.mark.parametrize("command", READING)
def test_command_prints_the_same_for_both_databases(both_stores: tuple[str, str], command: str) -> None:
    of_file, of_database = run_on_both(both_stores, READING[command])
    assert of_file
    assert of_database == of_file


def test_status_differs_only_in_size_and_runs(both_stores: tuple[str, str]) -> None:
    kept = [
        [line for line in output.splitlines() if re.match(r" +\d", line)]
        for output in run_on_both(both_stores, ["status", "ARCHIVE", "--utc"])
    ]
    assert len(kept[0]) == 5
    assert kept[1] == kept[0]
    [first, *_] = run_on_both(both_stores, ["status", "ARCHIVE", "--utc"])[1].splitlines()
    assert re.search(r": [\d.]+ MiB \(the whole database\), from sandbox:30 ", first)


def test_exported_tables_are_the_same(both_stores: tuple[str, str], tmp_path: Path) -> None:
    for name, store in zip("fd", both_stores, strict=True):
        assert run(["export", store, str(tmp_path / name), "--all-tables", "--format", "csv"]) == 0
        assert run(["export", store, str(tmp_path / f"{name}.csv")]) == 0
    assert read_folder(tmp_path / "d") == read_folder(tmp_path / "f")
    assert (tmp_path / "d.csv").read_bytes() == (tmp_path / "f.csv").read_bytes()


def test_rows_are_exported_oldest_conversations_first(both_stores: tuple[str, str], tmp_path: Path) -> None:
    with Archive.open(both_stores[0]) as archive:
        expected = [each.conversation_id for each in archive.conversations()]
    for store in both_stores:
        file = tmp_path / "tools.csv"
        with Archive.open(store) as archive:
            archive.export(file, table="tool_calls", overwrite=True)
        ids = [line.split(",")[0].strip('"') for line in file.read_text().splitlines()[1:]]
        assert list(dict.fromkeys(ids)) == [each for each in expected if each in ids]


def test_harvest_delete_and_webhooks_change_a_database(postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadedService(conversations=5, seed=3, api_key="k") as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELEVENLABS_API_KEY", "k")
        at = ["--base-url", fake.url]
        assert run(["harvest", postgres_url, "--json", *at]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["fetched"] == 5
        assert run(["harvest", postgres_url, *at]) == 0
        label = f"{get_label(postgres_url)}?workspace=default"
        assert capsys.readouterr().out.startswith(f"{label}: ")
        with Archive.open(postgres_url) as archive:
            deleted, kept, *_ = archive.conversations()
        assert run(["delete", deleted.conversation_id, "--archive", postgres_url, "--yes", *at]) == 0
        assert capsys.readouterr().out == f"1 deleted, 0 not found; 1 removed from {label}\n"
        added = Conversation.from_json(kept.to_json().replace(kept.conversation_id.encode(), b"conv_new"))
        store_conversation(postgres_url, added, source=fake.url)
        with Archive.open(postgres_url) as archive:
            assert archive.get("conv_new").conversation_id == "conv_new"
            assert archive.status().conversations == 5
        assert Archive.upgrade(postgres_url) is False


def test_file_of_workspaces_can_name_a_database(
    postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "workspaces.toml"
    with ThreadedService(conversations=3, api_key="k") as fake:
        (tmp_path / "key").write_text("k")
        table = '[[workspaces]]\nname = "{}"\nkey = "file:key"\narchive = "{}"\nbase_url = "{}"\n'
        file.write_text(
            table.format("acme", postgres_url, fake.url)
            + table.format("beta", f"{postgres_url}?workspace=other", fake.url)
        )
        assert run(["harvest", "--workspaces", str(file)]) == 0
    out, err = capsys.readouterr()
    assert f"{get_label(postgres_url)}?workspace=acme\n" in out
    assert f"{get_label(postgres_url)}?workspace=other\n" in out
    assert str(urlsplit(postgres_url).password) not in out + err + repr(read_workspaces(file))
    for name in ("acme", "other"):
        with Archive.open(f"{postgres_url}?workspace={name}") as archive:
            assert archive.status().conversations == 3


def test_two_workspaces_cannot_have_the_same_place_in_a_database(tmp_path: Path) -> None:
    file = tmp_path / "workspaces.toml"
    table = '[[workspaces]]\nname = "{}"\nkey = "env:KEY"\narchive = "postgresql://host/db?workspace=same"\n'
    file.write_text(table.format("a") + table.format("b"))
    assert run(["harvest", "--workspaces", str(file)]) == 2


@pytest.mark.parametrize(
    "refuse",
    [
        lambda url: run_query(url, "SELECT 1"),
        build_datasette_metadata,
    ],
)
def test_what_needs_a_file_refuses_a_database(refuse: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"is a PostgreSQL database, but .* `convai-async copy 'postgresql://u@h/d"
    ):
        refuse("postgresql://u:secret@h/d?workspace=acme")


@pytest.mark.parametrize("command", ["mcp", "datasette"])
def test_commands_that_need_a_file_refuse_a_database(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    if command == "mcp":
        pytest.importorskip("mcp.server")
    assert run([command, "postgresql://u:secret@h/d"]) == 2
    error = capsys.readouterr().err
    assert "'postgresql://u@h/d?workspace=default' is a PostgreSQL database, but" in error
    assert "secret" not in error


def test_names_of_archives_are_completed_as_files() -> None:
    command = app.get_command(click.Context(app), "status")
    assert command is not None
    context = click.Context(command)
    [completion] = command.params[0].shell_complete(context, "ca")
    assert (completion.value, completion.type) == ("ca", "file")


def test_password_with_characters_of_a_url_is_refused_without_quoting_it() -> None:
    for url in ("postgresql://u:pa@ss@h/d", "postgresql://u:pa/ss@h/d", "postgresql://u:pa?ss@h/d"):
        with pytest.raises(InvalidArgumentError, match="write %40") as raised:
            PostgresUrl.parse(url)
        assert "pa" not in str(raised.value).replace("password", "")


def test_passwords_of_a_url_are_hidden_in_commands_and_reprs() -> None:
    url = "postgresql://u:pa%40ss@h/d?workspace=w&password=secret&sslpassword=secret"
    assert hide_password(url) == "postgresql://u@h/d?workspace=w"
    assert hide_password("postgresql://u:x@h/d?pass%77ord=secret") == "postgresql://u@h/d"
    assert [hide_password(each) for each in ("/d?", "/d?a&b=1", "x=?")] == ["/d?", "/d?a&b=1", "x=?"]
    assert hide_password("calls.db") == "calls.db"
    workspace = Workspace(name="acme", key="env:KEY", archive=url)
    assert "secret" not in f"{workspace!r}{dict(workspace.__rich_repr__())}"


def test_commands_of_messages_have_the_parameters_of_a_url_but_no_password(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = conninfo_to_dict(postgres_url)
    password = given.pop("password", "not in the URL")
    address = f"postgresql:///{given.pop('dbname')}?{urlencode(given)}"
    assert run(["status", f"{address}&password={password}&workspace=a%20b"]) != 0
    shown = capsys.readouterr().err
    assert f"`convai-async harvest '{address}&workspace=a%20b'`" in shown
    assert str(password) not in shown
    assert format_command("harvest", PostgresUrl.parse("postgresql://h/d")).endswith(
        " 'postgresql://h/d?workspace=default'"
    )


def test_interrupted_harvest_prints_how_to_resume_without_the_password(postgres_url: str) -> None:
    with ThreadedService(conversations=500, latency=0.02, api_key="k") as fake:
        command = [*COMMAND, "harvest", f"{postgres_url}?workspace=acme", "--base-url", fake.url]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"ELEVENLABS_API_KEY": "k"}, text=True
        )
        while len(fake.requests) < 50:
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"it ended: {process.wait(0.01)}")
        process.terminate()
        out, err = process.communicate()
    assert f"resume with: convai-async harvest '{get_label(postgres_url)}?workspace=acme' --base-url" in out
    assert str(urlsplit(postgres_url).password) not in out + err
