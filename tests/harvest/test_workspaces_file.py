"""The TOML file of workspaces: what it can contain, and the error for everything else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from convai_async.errors import ConfigurationError
from convai_async.harvest import Workspace, read_workspaces
from convai_async.harvest._workspaces import read_key, validate_workspaces

if TYPE_CHECKING:
    from pathlib import Path

ACME = 'name = "acme"\nkey = "env:ACME_KEY"\narchive = "acme.db"\n'
SECRET = "sk_0123456789abcdef"


def write(folder: Path, *tables: str) -> Path:
    file = folder / "workspaces.toml"
    file.write_text("".join(f"[[workspaces]]\n{table}\n" for table in tables))
    return file


def build(**fields: object) -> Workspace:
    return Workspace(**{"name": "acme", "key": "env:ACME_KEY", "archive": "acme.db", **fields})  # type: ignore[arg-type]


def test_file_with_all_fields_is_read(tmp_path: Path) -> None:
    beta = (
        'name = "beta"\nkey = "file:keys/beta"\narchive = "sub/beta.db"\nregion = "eu"\n'
        'agents = ["agent_1", "agent_2"]\nlookback = "2w"\naudio = true\nshare = 0.5\n'
    )
    acme, read = read_workspaces(write(tmp_path, ACME + 'base_url = "https://proxy.example"', beta))
    assert acme == Workspace(
        name="acme", key="env:ACME_KEY", archive=str(tmp_path / "acme.db"), base_url="https://proxy.example"
    )
    assert read == Workspace(
        name="beta",
        key=f"file:{tmp_path / 'keys/beta'}",
        archive=str(tmp_path / "sub/beta.db"),
        region="eu",
        agents=("agent_1", "agent_2"),
        lookback=timedelta(weeks=2),
        audio=True,
        share=0.5,
    )


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ([ACME + 'archiv = "x"'], "workspace 'acme': archiv: there is no such field: did you mean 'archive'?"),
        (
            [ACME + "zzz = 1"],
            "workspace 'acme': zzz: there is no such field: the fields are name, key, archive, region,",
        ),
        (['name = "acme"\nkey = "env:A"'], "workspace 'acme': Object missing required field `archive`"),
        (['key = "env:A"\narchive = "a.db"'], "workspace 'number 1': Object missing required field `name`"),
        ([ACME + "audio = 1"], "workspace 'acme': audio: Expected `bool`, got `int`"),
        ([ACME + 'agents = "agent_1"'], "workspace 'acme': agents: Expected `array`, got `str`"),
        ([ACME + 'agents = [""]'], "workspace 'acme': agents: "),
        ([ACME + 'region = "mars"'], "workspace 'acme': region: Invalid enum value 'mars'"),
        ([ACME + 'region = "eu"\nbase_url = "http://x"'], "workspace 'acme': base_url: pass either region or base_url"),
        ([ACME + 'base_url = "x"'], "workspace 'acme': base_url: base_url must look like"),
        ([ACME + "share = 0"], "workspace 'acme': share: must be a number, more than 0"),
        ([ACME + "lookback = 3"], "workspace 'acme': lookback: must be a number and s, m, h, d or w, such as \"7d\""),
        ([ACME + 'lookback = "99999999999w"'], "workspace 'acme': lookback: must be a number and s, m, h, d or w"),
        ([ACME.replace('"acme"', '"a\\nb"')], "name: must be text in one line"),
        ([ACME.replace("acme.db", "")], "workspace 'acme': archive: must be text in one line"),
        ([ACME, ACME.replace("acme.db", "b.db")], "workspace 'acme': name: two workspaces have this name"),
        (
            [ACME, ACME.replace('"acme"', '"beta"').replace("acme.db", "x/../acme.db")],
            "workspace 'beta': archive: workspace 'acme' has the same archive",
        ),
        (
            [ACME + "audio = true", ACME.replace("acme", "beta") + "audio = true"],
            "workspace 'beta': audio: the recordings of workspace 'acme' are in the same place",
        ),
        (
            [
                ACME + 'audio = true\nrecordings = "s3://calls/a"',
                ACME.replace("acme", "beta") + 'audio = true\nrecordings = "s3://calls/a/"',
            ],
            "workspace 'beta': recordings: the recordings of workspace 'acme' are in the same place",
        ),
        ([ACME + 'recordings = "s3://"'], "workspace 'acme': recordings: must be s3://bucket/prefix"),
        (
            [ACME.replace("acme.db", "postgresql://host/db") + "audio = true"],
            "workspace 'acme': recordings: is required with audio for an archive in a database",
        ),
        (
            [ACME, ACME.replace('"acme"', '"beta"').replace("acme.db", "b.db") + "share = 0.5"],
            "workspace 'beta': share: workspace 'acme' has the same key: set the same share for both",
        ),
        ([], "there is no table [[workspaces]]"),
    ],
)
def test_invalid_file_is_refused_with_file_workspace_and_field(tmp_path: Path, tables: list[str], problem: str) -> None:
    file = write(tmp_path, *tables)
    with pytest.raises(ConfigurationError) as caught:
        read_workspaces(file)
    assert str(caught.value).startswith(f"{str(file)!r}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("key", [f'"{SECRET}"', f'"env:{SECRET}"', f'"key:{SECRET}"', '"file:"', '"env:"'])
def test_key_in_the_file_is_refused_and_not_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigurationError, match="key: must be a reference, env:NAME or file:PATH") as caught:
        read_workspaces(write(tmp_path, ACME.replace('"env:ACME_KEY"', key)))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"workspaces = 1", "there is no table [[workspaces]]"),
        (b"workspace = []", "unknown name 'workspace'"),
        (b"[[workspaces", "it is not a TOML file"),
        (b"\xff", "it is not a TOML file"),
        (None, "it cannot be read: No such file or directory"),
    ],
)
def test_file_that_is_not_a_list_of_workspaces_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "workspaces.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        read_workspaces(file)
    assert problem in str(caught.value)


def test_archive_with_two_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "acme.db")
    file = write(tmp_path, ACME, ACME.replace("acme", "beta").replace("beta.db", "link.db"))
    with pytest.raises(ConfigurationError, match="workspace 'acme' has the same archive"):
        read_workspaces(file)


def test_workspaces_without_audio_can_share_a_folder() -> None:
    validate_workspaces([build(audio=True), build(name="beta", archive="beta.db")])


def test_key_is_read_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", SECRET)
    (tmp_path / "key").write_text(f"{SECRET}\n")
    for reference in ("env:ACME_KEY", f"file:{tmp_path / 'key'}"):
        key = read_key(build(key=reference))
        assert key == SECRET
        assert SECRET not in repr(key)


def test_missing_key_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACME_KEY", raising=False)
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff")
    problems = {
        "env:ACME_KEY": "key: the environment variable ACME_KEY is not set",
        f"file:{tmp_path / 'missing'}": "cannot be read: No such file or directory",
        f"file:{tmp_path / 'empty'}": "is empty",
        f"file:{tmp_path / 'binary'}": "cannot be read: it is not text",
    }
    for reference, problem in problems.items():
        with pytest.raises(ConfigurationError) as caught:
            read_key(build(key=reference))
        assert problem in str(caught.value)
