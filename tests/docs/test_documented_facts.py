"""Commands, options, queries, tables, files and links in the documentation exist and work."""

from __future__ import annotations

import importlib
import inspect
import operator
import re
import shlex
import sqlite3
import tomllib
from contextlib import closing
from typing import TYPE_CHECKING

import click
import pytest
from documentation import DOCS, ROOT, blocks, pages
from test_layers import LAYERS

import convai_async
import convai_async.archive
import convai_async.testing
import convai_async.webhooks
from convai_async import ConvAIClient, errors
from convai_async.cli._app import app as command_line
from convai_async.cli._exit_codes import EXIT_CODES
from convai_async.testing import FakeConvAI, faults
from convai_async.testing.live import faults as live_faults

if TYPE_CHECKING:
    from pathlib import Path

PAGES = pages()
TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OTHER_PROGRAMS = {"--pool", "--config", "--setting", "--junitxml", "--wait-tasks-timeout"}
"""Options of celery, Datasette, pytest and taskiq."""


def shell_lines() -> list[str]:
    lines = [
        line.removeprefix("$ ")
        for path in PAGES
        for block in blocks(path, "console", "bash")
        for line in block.code.replace("\\\n", " ").splitlines()
    ]
    return [line for line in lines if line]


def commands() -> list[list[str]]:
    typed = [
        re.match(r"(?:\.venv/bin/)?convai-async ((?:[^|&>'\"]|'[^']*'|\"[^\"]*\")+)", line) for line in shell_lines()
    ]
    return [shlex.split(line[1], comments=True) for line in typed if line]


def command(name: str) -> click.Command:
    found = command_line.get_command(click.Context(command_line), name)
    assert found is not None, name
    return found


def names_of_commands() -> list[str]:
    return command_line.list_commands(click.Context(command_line))


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
@pytest.mark.usefixtures("in_tmp_path")
def test_documented_command_is_valid(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl.zst").touch()  # it must be there
    name, *rest = arguments
    if name != "--help":
        command(name).make_context(name, rest)


def test_every_command_and_every_option_of_the_harvest_is_documented() -> None:
    text = "".join(TEXTS.values())
    for name in names_of_commands():
        assert f"convai-async {name}" in text
        assert f"`{name}`" in TEXTS["README.md"]
    options = [option for parameter in command("harvest").params for option in parameter.opts]
    harvest = TEXTS["docs/harvest.md"]
    assert [each for each in options if each.startswith("--") and not re.search(rf"{each}\b", harvest)] == []


def test_documented_options_exist() -> None:
    known = {
        option
        for name in names_of_commands()
        for each in [command(name), *getattr(command(name), "commands", {}).values()]
        for parameter in each.params
        for option in parameter.opts
    }
    for page, text in TEXTS.items():
        named = set(re.findall(r"`[^`\n]*?(--[a-z][a-z-]+)[^`\n]*`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))
        assert named - known - OTHER_PROGRAMS == set(), page


def test_documented_extras_exist() -> None:
    named = {
        extra
        for text in TEXTS.values()
        for each in re.findall(r"convai-async\[([\w,]+)\]", text)
        for extra in each.split(",")
    }
    assert named <= set(PYPROJECT["project"]["optional-dependencies"])
    assert named >= {"cli", "parquet", "zstd", "uvloop"}


def test_exit_codes_are_those_of_the_help() -> None:
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |\n" in TEXTS["docs/cli.md"]


@pytest.mark.parametrize("page", ["README.md", "docs/archive.md"])
def test_documented_queries_return_rows(page: str, harvested: Path) -> None:
    queries = [block.code for block in blocks(ROOT / page, "sql")]
    assert queries
    with closing(sqlite3.connect(harvested / "calls.db")) as connection:
        for query in queries:
            assert len(connection.execute(query).fetchall()) > 1, query


def test_schema_page_lists_the_columns_of_a_new_archive(harvested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    archive_schema = importlib.import_module("archive_schema")
    assert "```{archive-schema}\n" in TEXTS["docs/archive.md"]
    sections = {table.name: archive_schema.format_section(table) for table in archive_schema.TABLES}
    with closing(sqlite3.connect(harvested / "calls.db")) as connection:
        listed = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        real = {name for (name,) in listed if not name.startswith(("turns_search_", "sqlite_"))}
        assert sections.keys() == real
        for name, section in sections.items():
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == columns
    assert "| `termination_reason` | TEXT |" in sections["conversations"]


def test_errors_page_has_the_tree_of_the_module() -> None:
    drawn = set(re.findall(r"── (\w+)", TEXTS["docs/errors.md"]))
    public = {
        name
        for name, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, errors.ConvAIError) and each is not errors.ConvAIError
    }
    assert drawn == public


def test_testing_page_has_every_fault() -> None:
    functions = {name for name, _ in inspect.getmembers(faults, inspect.isfunction) if name in faults.__all__}
    rows = set(re.findall(r"^\| `(\w+)\(", TEXTS["docs/testing.md"], re.MULTILINE))
    assert rows == functions
    of_live = {name for name, _ in inspect.getmembers(live_faults, inspect.isfunction) if name != "cut"}
    assert set(re.findall(r"^\| `live_faults\.(\w+)\(", TEXTS["docs/testing.md"], re.MULTILINE)) == of_live


def test_arguments_of_the_fake_service_in_the_text_exist() -> None:
    named = set(re.findall(r"FakeConvAI\((.*?)\)`", TEXTS["docs/testing.md"]))
    parameters = set(inspect.signature(FakeConvAI).parameters)
    arguments = {name for call in named for name in re.findall(r"(\w+)=", call)}
    assert arguments
    assert arguments <= parameters


def test_every_public_name_and_every_resource_is_in_the_reference() -> None:
    text = "".join(text for page, text in TEXTS.items() if "/reference/" in page)
    public: set[str] = set()
    for module in (convai_async, convai_async.testing):
        if f"automodule:: {module.__name__}\n" not in text:
            public |= {name for name in module.__all__ if isinstance(getattr(module, name), type)}
    for module in (errors, convai_async.models, convai_async.endpoints, convai_async.archive, convai_async.webhooks):
        assert f"automodule:: {module.__name__}\n" in text
        public -= {name for name in dir(module) if getattr(module, name) is getattr(convai_async, name, None)}
    client = ConvAIClient("xi-key")
    resources = {type(each).__name__ for each in (client.conversations, client.agents)}
    for resource in (client.conversations, client.agents):
        resources |= {type(each).__name__ for name, each in vars(resource).items() if not name.startswith("_")}
    assert "AudioResource" in resources
    documented = set(re.findall(r"autoclass:: (?:[\w.]+\.)?(\w+)", text))
    assert (public | resources) - documented == set()


def test_methods_named_for_users_of_the_official_sdk_exist() -> None:
    text = TEXTS["docs/migrating.md"].partition("## client.conversations")[2].partition("## Webhooks")[0]
    rows = [*re.findall(r"^\|[^|]*\| ([^|]*) \|", text, re.MULTILINE), text.partition("if that is safe")[2]]
    named = {name for row in rows for name in re.findall(r"`(?:async with )?([a-z_.]+)(?:\(.*?\))?`", row)}
    assert named >= {"list", "audio.stream", "audio.download", "client.agents.link.get", "resolve"}
    client = ConvAIClient("xi-key")
    for name in named:
        owner = client if name.startswith("client.") else client.conversations
        operator.attrgetter(name.removeprefix("client."))(owner)


def test_defaults_in_the_table_of_sizes_are_those_of_the_client() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\d,]+)(?: ([MG])iB)? \|$", TEXTS["docs/limits.md"], re.MULTILINE)
    units = {"": 1, "M": 2**20, "G": 2**30}
    documented = {name: int(number.replace(",", "")) * units[unit] for name, number, unit in rows}
    assert len(documented) == 4
    signature = inspect.signature(ConvAIClient)
    assert documented == {name: signature.parameters[name].default for name in documented}


def test_files_and_folders_that_the_documentation_names_exist() -> None:
    text = "".join(TEXTS.values()) + (ROOT / "SECURITY.md").read_text()
    names = set(re.findall(r"`((?:tests|docs|examples|benchmarks|\.ci)/[\w./-]*)`", text))
    assert "docs/examples/" in names
    assert [name for name in names if not (ROOT / name).exists()] == []
    tests = set(re.findall(r"`(test_\w+\.py)`", text))
    assert "test_chaos.py" in tests
    assert [name for name in tests if not list((ROOT / "tests").rglob(name))] == []


def test_design_page_has_the_layers_that_are_enforced() -> None:
    documented: dict[str, set[str]] = {}
    for layer, modules in re.findall(r"^\| (\d) \| ([^|]*) \|", TEXTS["docs/design.md"], re.MULTILINE):
        documented.setdefault(layer, set()).update(re.findall(r"`(\w+)/?`", modules))
    assert documented == {str(number): modules for number, modules in enumerate(LAYERS)}
    drawn = (DOCS / "layers.svg").read_text()
    assert [name for name in set().union(*LAYERS) - {"_version"} if not re.search(rf"\b{name}\b", drawn)] == []


def test_variables_of_longer_test_runs_are_read_by_the_test_files_that_they_are_for() -> None:
    command = r"^([A-Z_]+)=\d+ \.venv/bin/pytest (?:-m slow )?([\w/.]+)"
    runs = re.findall(command, (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert len(runs) == 9
    for variable, path in runs:
        assert f'"{variable}"' in (ROOT / path).read_text()


def test_links_between_files_have_existing_targets() -> None:
    for page, text in TEXTS.items():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


def test_readme_is_short_and_names_every_page_of_the_guide() -> None:
    readme = TEXTS["README.md"]
    assert len(readme.splitlines()) <= 150
    reference = {"docs/index.md", "docs/security.md", "docs/changelog.md"}
    guide = {page for page in TEXTS if page.startswith("docs/") and "/reference/" not in page} - reference
    assert [page for page in guide if f"({page})" not in readme] == []
