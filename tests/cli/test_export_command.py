"""``convai-async export`` and ``convai-async import``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from archives import import_file
from command_line import count_conversations

from convai_async.archive import Archive
from convai_async.cli._app import run
from convai_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["cli_fixtures"]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_import_reads_an_exported_file(
    harvested: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exported, copy = tmp_path / f"calls{suffix}", tmp_path / "copy.db"
    assert run(["export", str(harvested), str(exported)]) == 0
    assert "30 rows" in capsys.readouterr().out
    assert run(["import", str(copy), str(exported)]) == 0
    assert count_conversations(copy) == 30
    assert run(["export", str(harvested), str(exported)]) == 2
    assert "already exists" in capsys.readouterr().err


def test_export_to_standard_output_equals_the_file(
    harvested: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for suffix, options in (
        ("jsonl", []),
        ("csv", ["--format", "csv"]),
        ("csv", ["--format", "csv", "--table", "turns"]),
        ("csv", ["--format", "csv", "--table", "llm_usage"]),
    ):
        table = options[2:]
        file = tmp_path / f"calls-{'-'.join(table)}.{suffix}"
        assert run(["export", str(harvested), str(file), *table]) == 0
        capfdbinary.readouterr()
        assert run(["export", str(harvested), "-", *options]) == 0
        out, err = capfdbinary.readouterr()
        assert (out, err) == (file.read_bytes(), b"")
    assert run(["export", str(harvested), "-", "--table", "turns"]) == 2
    assert b"is only for CSV" in capfdbinary.readouterr().err


def test_export_overwrites_a_file_only_with_force(
    harvested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text("my thesis")
    assert run(["export", str(harvested), str(file)]) == 2
    assert "already exists: choose another file, or add --force" in capsys.readouterr().err
    assert file.read_text() == "my thesis"
    assert run(["export", str(harvested), str(file), "--force"]) == 0
    assert import_file(tmp_path / "copy.db", file) == 30
    assert [each.name for each in tmp_path.glob(".*")] == [], "no temporary file stays"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder in which root cannot create files")
@pytest.mark.parametrize("options", [["calls.jsonl"], ["tables", "--all-tables"]])
def test_export_that_cannot_create_its_file_names_it(
    harvested: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    destination = f"/proc/{options[0]}"
    assert run(["export", str(harvested), destination, *options[1:]]) == 1
    assert capsys.readouterr().err == f"convai-async: {destination!r}: No such file or directory\n"


def test_export_to_a_name_that_is_too_long_names_the_file(
    harvested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"{'x' * 255}.jsonl"
    assert run(["export", str(harvested), str(file)]) == 1
    assert capsys.readouterr().err == f"convai-async: {str(file)!r}: File name too long\n"
    assert [each.name for each in tmp_path.glob(".*")] == [], "no temporary file stays"


def test_export_never_overwrites_the_archive_or_a_folder(harvested: Path, tmp_path: Path) -> None:
    alias = tmp_path / "calls.csv"
    alias.symlink_to(harvested)
    (tmp_path / "folder.csv").mkdir()
    with Archive.open(harvested) as opened:
        with pytest.raises(InvalidArgumentError, match="is the archive itself"):
            opened.export(alias, overwrite=True)
        with pytest.raises(InvalidArgumentError, match="is a folder: choose another"):
            opened.export(tmp_path / "folder.csv", overwrite=True)
        with pytest.raises(InvalidArgumentError, match="belongs to the archive"):
            opened.export(harvested.with_name(f"{harvested.name}-journal"), partition=True)
        with pytest.raises(InvalidArgumentError, match="belongs to the archive"):
            opened.export(harvested.parent / "audio", all_tables=True, format="csv")
        assert opened.status().conversations == 30


@pytest.mark.parametrize("name", ["parts", "parts.parquet", "parts.2026"])
def test_partitioned_export_creates_a_folder_with_any_name(harvested: Path, tmp_path: Path, name: str) -> None:
    assert run(["export", str(harvested), f"{tmp_path / name}/", "--partition"]) == 0
    assert all(part.name.startswith("date=") for part in (tmp_path / name).iterdir())
    assert run(["export", str(harvested), str(tmp_path / name), "--partition", "--force"]) == 2
    with Archive.open(harvested) as opened, pytest.raises(InvalidArgumentError, match=r"is only for \.parquet"):
        opened.export(tmp_path / "parts.csv", partition=True)


def test_export_to_stream_rejects_a_table_for_jsonl(harvested: Path) -> None:
    with Archive.open(harvested) as opened, pytest.raises(InvalidArgumentError, match="table"):
        opened.export_to_stream(None, table="turns")  # type: ignore[arg-type]


def test_export_of_all_tables_writes_a_folder(
    harvested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tables"
    assert run(["export", str(harvested), str(folder), "--all-tables"]) == 0
    assert (folder / "turns.parquet").is_file()
    assert run(["export", str(harvested), str(tmp_path / "csv"), "--all-tables", "--format", "csv"]) == 0
    assert (tmp_path / "csv" / "evaluation_results.csv").read_bytes().startswith(b'"conversation_id"')
    capsys.readouterr()
    for options, problem in (
        (["--all-tables", "--format", "jsonl"], "writes parquet or csv"),
        (["--all-tables", "--force"], "cannot be combined with"),
    ):
        assert run(["export", str(harvested), str(tmp_path / "x"), *options]) == 2
        assert problem in capsys.readouterr().err
    for options, problem in (
        (["--all-tables"], "are for files, not for standard output"),
        (["--format", "parquet"], "is for --all-tables"),
    ):
        assert run(["export", str(harvested), "-", *options]) == 2
        assert problem in capsys.readouterr().err
