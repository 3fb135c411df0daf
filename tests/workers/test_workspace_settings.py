"""``convai-async workspaces add``, ``change``, ``list`` and ``remove``."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from worker_database import query

from convai_async.cli._app import run
from convai_async.errors import ConfigurationError
from convai_async.workers import ScheduledWorkspace, add_workspaces, change_workspace, list_workspaces

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["worker_fixtures"]

ACME = ScheduledWorkspace(name="acme", key="env:ACME_KEY")


def test_settings_are_added_changed_listed_and_removed(postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    def workspaces(*arguments: str) -> str:
        assert run(["workspaces", arguments[0], postgres_url, *arguments[1:]]) == 0
        return capsys.readouterr().out

    assert workspaces("add", "acme", "--key", "env:ACME_KEY") == "acme: added\n"
    settings = "--region eu --audio --recordings s3://bucket --paused --archive /data/b.db"
    assert workspaces("add", "beta", "--key", "file:/run/b", "--schedule", "0 6 * * *", *settings.split())
    assert workspaces("list").splitlines() == [
        "name  schedule   key           other settings",
        "acme  H * * * *  env:ACME_KEY",
        "beta  0 6 * * *  file:/run/b   archive /data/b.db, region eu, audio True, recordings s3://bucket, paused True",
    ]
    assert workspaces("change", "beta", "--not-paused", "--no-audio", "--schedule", "@daily") == "beta: changed\n"
    assert [json.loads(line) for line in workspaces("list", "--json").splitlines()][1] == {
        "name": "beta",
        "key": "file:/run/b",
        "archive": "/data/b.db",
        "region": "eu",
        "base_url": None,
        "agents": [],
        "lookback": "P3D",
        "audio": False,
        "recordings": "s3://bucket",
        "share": 1.0,
        "schedule": "@daily",
        "paused": False,
    }
    assert workspaces("remove", "beta") == "beta: removed; its archive is unchanged\n"
    assert workspaces("list").count("\n") == 2


def test_workspaces_of_a_file_are_added(postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "workspaces.toml"
    file.write_text(
        '[[workspaces]]\nname = "acme"\nkey = "file:acme.key"\nschedule = "5 * * * *"\n'
        '[[workspaces]]\nname = "beta"\nkey = "env:B"\narchive = "b.db"\nlookback = "12h"\npaused = true\n'
    )
    assert run(["workspaces", "add", postgres_url, "--file", str(file)]) == 0
    assert capsys.readouterr().out == "acme: added\nbeta: added\n"
    assert asyncio.run(list_workspaces(postgres_url)) == [
        ScheduledWorkspace(name="acme", key=f"file:{tmp_path}/acme.key", schedule="5 * * * *"),
        ScheduledWorkspace(
            name="beta", key="env:B", archive=f"{tmp_path}/b.db", lookback=timedelta(hours=12), paused=True
        ),
    ]
    assert run(["workspaces", "add", postgres_url, "--file", str(file)]) == 2
    assert "the workspace 'acme' exists already: `convai-async workspaces change`" in capsys.readouterr().err
    file.write_text('[[workspaces]]\nname = "gamma"\nkey = "env:G"\nschedules = "5 * * * *"\n')
    assert run(["workspaces", "add", postgres_url, "--file", str(file)]) == 2
    assert "schedules: there is no such field: did you mean 'schedule'?" in capsys.readouterr().err


BAD_SETTINGS = [
    (["acme", "--key", "env:B"], "the workspace 'acme' exists already: `convai-async workspaces change` changes its"),
    (["b", "--key", "sk_0123456789abcdef"], "workspace 'b': key: must be a reference, env:NAME or file:PATH"),
    (["b", "--key", "file:keys/b"], "workspace 'b': key: the path must be absolute"),
    (["b", "--key", "env:B", "--schedule", "99 * * * *"], "workspace 'b': schedule: must be a cron expression"),
    (["b", "--key", "env:B", "--schedule", "* * * * * *"], "workspace 'b': schedule: must be a cron expression"),
    (["b", "--key", "env:ACME_KEY", "--share", "0.5"], "workspace 'b': share: workspace 'acme' has the same key"),
    (["b", "--key", "env:B", "--base-url", "x"], "workspace 'b': base_url: "),
    (["b", "--key", "env:B", "--agent", " "], "workspace 'b': agents: "),
    (["b", "--key", "env:B", "--audio"], "workspace 'b': recordings: is required with audio"),
    (["b", "--key", "env:B", "--audio", "--recordings", "b"], "workspace 'b': recordings: the path must be absolute"),
    (["b", "--key", "env:B", "--archive", "b.db"], "workspace 'b': archive: the path must be absolute"),
    (
        ["b", "--key", "env:B", "--archive", "postgresql://u:hunter2@h/d"],
        "workspace 'b': archive: must not contain a password",
    ),
    (["b"], "Missing option '--key'"),
    ([], "Pass either NAME with --key and other settings, or --file."),
    (["b", "--key", "env:B", "--file", "x.toml"], "Pass either NAME with --key and other settings, or --file."),
]


def test_bad_settings_are_refused(postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(add_workspaces(postgres_url, [ACME]))
    for arguments, problem in BAD_SETTINGS:
        assert run(["workspaces", "add", postgres_url, *arguments]) == 2
        err = capsys.readouterr().err
        assert problem in err
        assert "0123456789" not in err
        assert "hunter2" not in err
    assert asyncio.run(list_workspaces(postgres_url)) == [ACME], "none was added"


def test_unknown_workspace_and_missing_changes_are_refused(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(add_workspaces(postgres_url, [ACME]))
    for arguments, problem in [
        (["change", postgres_url, "beta", "--paused"], "there is no workspace 'beta'"),
        (["remove", postgres_url, "beta"], "there is no workspace 'beta'"),
        (["change", postgres_url, "acme"], "Pass at least one setting to change."),
    ]:
        assert run(["workspaces", *arguments]) == 2
        assert problem in capsys.readouterr().err


async def test_same_workspace_is_added_once_by_two_at_the_same_time(postgres_url: str) -> None:
    results = await asyncio.gather(*(add_workspaces(postgres_url, [ACME]) for _ in range(4)), return_exceptions=True)
    assert results.count(None) == 1
    assert [type(each) for each in results if each is not None] == [ConfigurationError] * 3
    assert query(postgres_url, "SELECT name FROM convai.workspaces") == ["acme"]


async def test_invalid_change_leaves_the_settings_as_they_are(postgres_url: str) -> None:
    await add_workspaces(postgres_url, [ACME])
    with pytest.raises(ConfigurationError, match="schedule: must be a cron expression"):
        await change_workspace(postgres_url, "acme", schedule="hourly", paused=True)
    assert await list_workspaces(postgres_url) == [ACME]


@pytest.mark.parametrize("command", ["list", "status"])
def test_database_without_workspaces_is_explained(
    postgres_url: str, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(["workspaces", command, postgres_url]) == 2
    assert "has no workspaces: add one with `convai-async workspaces add`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("calls.db", "must be the URL of a PostgreSQL database"),
        ("postgresql://user:hunter2@[::1/db", "the URL of the database is not valid"),
        ("postgresql://user:hunter2@localhost/db?no=1", "the URL of the database is not valid"),
    ],
)
@pytest.mark.parametrize("command", ["workspaces list", "worker"])
def test_wrong_url_is_refused_without_its_password(
    capsys: pytest.CaptureFixture[str], command: str, url: str, problem: str
) -> None:
    assert run([*command.split(), url]) == 2
    err = capsys.readouterr().err
    assert f"database: {problem}" in err
    assert "hunter2" not in err


@pytest.mark.parametrize("command", ["workspaces list", "worker"])
def test_url_of_one_workspace_is_refused(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run([*command.split(), "postgresql://user:hunter2@127.0.0.1:1/db?workspace=acme"]) == 2
    err = capsys.readouterr().err
    assert "database: must not have the parameter workspace" in err
    assert "hunter2" not in err


def test_database_that_cannot_be_reached_is_named_without_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["workspaces", "list", "postgresql://user:hunter2@127.0.0.1:1/db?sslmode=disable"]) == 1
    err = capsys.readouterr().err
    assert "'postgresql://user@127.0.0.1:1/db' cannot be reached" in err
    assert "hunter2" not in err


@pytest.mark.parametrize("command", ["workspaces list", "worker"])
def test_missing_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(sys.modules, "convai_async.workers", None)
    assert run([*command.split(), "postgresql://localhost/db"]) == 2
    assert "pip install 'convai-async[postgres]'" in capsys.readouterr().err
