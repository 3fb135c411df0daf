"""The command line as a whole: help, usage errors, exit codes."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from command_line import COMMAND, run_in_shell
from unmeasured import unmeasured

import convai_async.cli
from convai_async import __version__
from convai_async.cli._app import app, run
from convai_async.cli._exit_codes import EXIT_CODES

pytest_plugins = ["cli_fixtures"]

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def test_help_and_version_print_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in app.list_commands(click.Context(app)))
    for name in app.list_commands(click.Context(app)):
        assert run([name, "--help"]) == 0
        assert "Usage: convai-async " + name in capsys.readouterr().out


def test_no_arguments_prints_the_help_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    err = capsys.readouterr().err
    assert run(["--help"]) == 0
    assert err == capsys.readouterr().out


@pytest.mark.parametrize("group", ["steps", "workspaces"])
def test_group_without_a_command_prints_its_help_to_standard_error(
    capsys: pytest.CaptureFixture[str], group: str
) -> None:
    assert run([group]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Usage: convai-async {group} [OPTIONS] COMMAND [ARGS]...\n")


def test_help_lists_exit_codes_and_shell_completion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    for code, meaning in EXIT_CODES.items():
        assert f"{code:>5}  {meaning}\n" in out
    for shell in ("bash", "zsh", "fish"):
        assert f"_CONVAI_ASYNC_COMPLETE={shell}_source convai-async" in out
    asked = {"COMP_WORDS": "convai-async wa", "COMP_CWORD": "1", "_CONVAI_ASYNC_COMPLETE": "bash_complete"}
    completed = subprocess.run(COMMAND, check=True, capture_output=True, text=True, env={**os.environ, **asked})
    assert completed.stdout == "plain,wait\nplain,watch\n"


def test_help_of_every_command_fits_80_columns_and_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ["", *app.list_commands(click.Context(app))]:
        assert run([*([name] if name else []), "--help"]) == 0
        out = capsys.readouterr().out
        assert re.search(rf"Examples?:\n    convai-async {name}", out)
        assert max(map(len, out.splitlines())) <= 80
        if "--since" in out:
            assert "7d, 12h, yesterday" in " ".join(out.split())


def test_help_imports_neither_commands_nor_rich() -> None:
    script = "import sys; from convai_async.cli._app import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    command = [COMMAND[0], "-P", "-c", script]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=unmeasured())
    loaded = set(result.stderr.split())
    assert not {"rich", "rich.console", "sqlite3", "convai_async.harvest", "convai_async.cli._commands._list"} & loaded


@needs_dev_full
def test_help_to_a_full_device_prints_one_line_error() -> None:
    result = run_in_shell("convai-async --help >/dev/full")
    assert (result.returncode, result.stderr) == (1, "convai-async: [Errno 28] No space left on device\n")


def test_missing_extra_prints_the_install_command() -> None:
    script = "import sys; sys.modules['click'] = None; from convai_async.cli import main; main()"
    result = subprocess.run([sys.executable, "-P", "-c", script], check=False, capture_output=True, text=True)
    assert result.returncode == 2
    assert "pip install 'convai-async[cli]'" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["harvest"], "Missing argument 'ARCHIVE'"),
        (["harvest", "calls.db", "--since", "tomorrow"], "'tomorrow' is not a valid time: use 7d, 12h, yesterday,"),
        (["harvest", "calls.db", "--timeout", "0"], "--timeout"),
        (["delete", "conv_1", "--sandbox"], "cannot ask for confirmation without a terminal: add --yes"),
        (["watch", "--exec", "no-such-program"], "--exec: program not found: 'no-such-program'"),
        (["watch", "--exec", "'"], "--exec: No closing quotation"),
        (["watch", "--exec", ""], "--exec: program not found: ''"),
        (["export", "none.db", "-", "--partition"], "not for standard output"),
        (["export", "none.db", "a.csv", "--format", "csv"], "the name of a file selects its format"),
        (["audio", "conv_1", "--sandbox", "-o", "foreign.txt"], "add --force"),
        (["audio", "conv_1", "--sandbox", "-o", "none/a.mp3"], "the folder 'none' does not exist"),
        (["sandbox", "--port", "70000"], "--port"),
        (["harvest", "calls.db", "--limit", "0"], "--limit"),
        (["harvest", "calls.db", "--lookback", "99999999999"], "--lookback"),
        (["search", "calls.db", "x", "--limit", "99999999999999999999"], "--limit"),
        (["harvest", "calls.db", "--region", "mars"], "--region"),
        (
            ["harvest", "calls.db", "--sandbox", "5", "--region", "eu"],
            "--sandbox cannot be combined with --base-url or --region",
        ),
        (
            ["harvest", "calls.db", "--sandbox", "--since", "2026-02-01", "--until", "2026-01-01"],
            "must be earlier than --until (2026-01-01T",
        ),
        (["harvest", "not here/calls.db", "--sandbox"], "mkdir -p 'not here'`"),
        (["harvest", ".", "--sandbox"], "is a folder: choose a file in it"),
        (["harvest", "foreign.txt", "--sandbox"], "is not a convai archive: choose another file"),
        (["harvest", "calls.db"], "export ELEVENLABS_API_KEY="),
        (["harvest", "calls.db", "--base-url", "elevenlabs.io"], "base_url must look like"),
        (["delete", "--sandbox"], "no conversations to delete: pass ids as arguments, or use --from FILE"),
        (["export", "none.db", "a.jsonl"], "there is no archive 'none.db'"),
        (["import", "calls.db", "foreign.txt"], "line 1 of 'foreign.txt' was not written by `export`"),
        (["search", "none.db", "x"], "there is no archive 'none.db'"),
        (["status", "my calls.db"], "create one with `convai-async harvest 'my calls.db'`"),
        (["status", "none.db"], "create one with `convai-async harvest none.db`"),
        (["show", "", "--sandbox"], "conversation_id: must not be empty"),
        (["show"], "Missing argument 'CONVERSATION_ID'"),
        (["hravest"], "No such command 'hravest'"),
    ],
    ids=" ".join,
)
def test_invalid_usage_prints_the_problem_and_exits_with_2(
    arguments: list[str],
    problem: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    (tmp_path / "foreign.txt").write_text("my thesis")
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert problem in err
    assert out == ""
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.txt"]
    assert (tmp_path / "foreign.txt").read_text() == "my thesis"


def test_argument_after_sandbox_prints_how_to_order_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["harvest", "--sandbox", "calls.db"]) == 2
    assert "'calls.db' is not a number: put --sandbox after the other arguments" in capsys.readouterr().err
    assert run(["list", "--sandbox", "0"]) == 2
    assert "x>=1" in capsys.readouterr().err


def test_app_is_the_public_click_group_with_documented_commands_and_options() -> None:
    assert convai_async.cli.app is app
    assert isinstance(app, click.Group)
    context = click.Context(app)
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        assert [option.name for option in options if not option.help] == []


def test_import_of_cli_does_not_import_click() -> None:
    script = "import sys; import convai_async.cli; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-P", "-c", script], check=True, capture_output=True, text=True)
    assert not {"click", "rich", "convai_async.cli._app"} & set(result.stdout.split())


def test_unknown_attribute_of_cli_raises_attributeerror() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'application'"):
        convai_async.cli.application  # noqa: B018 - the access is the test


def test_command_line_imports_only_public_modules_of_other_packages() -> None:
    private = []
    for module in Path(convai_async.cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("convai_async."):
                package, *names = node.module.split(".")[1:]
                if package not in {"_support", "_version", "cli"} and any(
                    name.startswith("_") for name in [package, *names, *(alias.name for alias in node.names)]
                ):
                    private.append(f"{module.name}: {node.module}")
    assert private == []
