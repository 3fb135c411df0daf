"""Fixtures with PostgreSQL; without it, their tests fail in CI and are skipped elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from postgres import PostgresServer, find_programs, new_database, server_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg


@pytest.fixture
def postgres_url(postgres_connection: psycopg.Connection) -> Iterator[str]:
    """The URL of a new, empty database, which is deleted after the test."""
    with new_database(postgres_connection) as url:
        yield url


@pytest.fixture
def postgres_workspace(postgres_database: str) -> str:
    """The URL of a new workspace, in a database that other tests use too: cheaper than a database for each test."""
    return f"{postgres_database}?workspace={uuid4().hex}"


@pytest.fixture(scope="session")
def postgres_database(postgres_connection: psycopg.Connection) -> Iterator[str]:
    """The URL of a database whose workspaces belong to tests."""
    with new_database(postgres_connection) as url:
        yield url


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A started server that only this test uses, so that it can be stopped and restarted."""
    with PostgresServer.create(find_programs()) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    """A connection to the server of the run, as a user who can create databases."""
    import psycopg  # noqa: PLC0415 - slow to import

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that all workers share
    with server_url(folder) as url, psycopg.connect(url, autocommit=True) as connection:
        yield connection
