"""The same conversations in an SQLite file and in a PostgreSQL database."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import pytest
from postgres import new_database

from convai_async.cli._app import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

pytest_plugins = ["postgres_fixtures"]


@pytest.fixture(scope="session")
def both_stores(
    tmp_path_factory: pytest.TempPathFactory, postgres_connection: psycopg.Connection
) -> Iterator[tuple[str, str]]:
    """The path and the URL of two archives with the same 30 conversations. Tests do not change them."""
    folder = tmp_path_factory.mktemp("stores")
    file, exported = str(folder / "calls.db"), str(folder / "calls.jsonl")
    with new_database(postgres_connection) as database:
        url = f"{database}?workspace=acme"
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            assert run(["harvest", file, "--sandbox", "30"]) == 0
            assert run(["export", file, exported]) == 0
            assert run(["import", url, exported]) == 0
        yield file, url
