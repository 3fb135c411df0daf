"""A harvest into PostgreSQL stores what a harvest into SQLite stores."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
from archives import build_update

from convai_async import ConvAIClient
from convai_async.archive import Archive, ArchiveBusyError, ArchiveConnectionError, ArchiveError
from convai_async.archive._location import PostgresUrl
from convai_async.archive._postgres._connection import PostgresConnection
from convai_async.archive._records import decode_update
from convai_async.archive._schema._tables import DETAIL_TABLES
from convai_async.archive._schema._views import VIEWS
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import ConvAIError, InvalidArgumentError
from convai_async.harvest import harvest
from convai_async.models import ConversationSummary
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytest_plugins = ["postgres_fixtures"]

SOURCE = "https://api.elevenlabs.io"
COMPARED = [*(table.name for table in DETAIL_TABLES), *(view.name for view in VIEWS if view.name != "documents")]


@pytest.fixture
async def archives(postgres_url: str, tmp_path: Path) -> AsyncIterator[tuple[Archive, Archive]]:
    file, url = tmp_path / "calls.db", f"{postgres_url}?workspace=acme"
    async with (
        FakeConvAI(conversations=60, seed=5) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url) as client,
    ):
        await harvest(client, file)
        await harvest(client, url)
        again = await harvest(client, url)
        assert (again.fetched, again.failed) == (0, 0)
    with Archive.open(file) as sqlite, Archive.open(url) as postgres:
        yield sqlite, postgres


def read_rows(archive: Archive, name: str) -> list[Any]:
    with archive.snapshot() as connection:
        cursor = connection.execute(f"SELECT * FROM {name}")
        names = [column for column, *_ in cursor.description]
        kept = [place for place, column in enumerate(names) if column not in {"turn_id", "workspace"}]
        return sorted((tuple(normalize(row[place]) for place in kept) for row in cursor), key=repr)


def normalize(value: Any) -> Any:
    return round(float(value), 6) if isinstance(value, int | float) else value


async def test_both_stores_have_the_same_documents_rows_and_views(archives: tuple[Archive, Archive]) -> None:
    sqlite, postgres = archives
    for one, same in zip(sqlite.records(), postgres.records(), strict=True):
        for name in ("conversation_id", "raw", "summary_json", "from_webhook", "recording"):
            assert getattr(one, name) == getattr(same, name)
    expected, rows = ([row | {"fetched_unix_secs": 0} for row in each.rows("conversations")] for each in archives)
    assert rows == expected
    for name in COMPARED:
        assert read_rows(postgres, name) == read_rows(sqlite, name), name


async def test_two_workspaces_of_a_database_do_not_see_each_other(
    archives: tuple[Archive, Archive], postgres_url: str
) -> None:
    with ArchiveWriter(f"{postgres_url}?workspace=other", SOURCE) as other:
        assert other.count_conversations() == 0
        assert other.remove([each.conversation_id for each in archives[1].records()]) == 0
    assert archives[1].status().conversations == 60


def test_only_one_process_can_harvest_a_workspace(postgres_url: str) -> None:
    with closing(ArchiveWriter(postgres_url, SOURCE)):
        with pytest.raises(ArchiveBusyError, match="another process is writing"):
            ArchiveWriter(postgres_url, SOURCE)
        ArchiveWriter(f"{postgres_url}?workspace=other", SOURCE).close()
    ArchiveWriter(postgres_url, SOURCE).close()


def test_a_workspace_that_does_not_exist_is_named_without_the_password(postgres_url: str) -> None:
    ArchiveWriter(f"{postgres_url}?workspace=acme", SOURCE).close()
    with pytest.raises(ArchiveError, match=r"there is no archive .*workspace=nobody' \(it has 'acme'\)") as raised:
        Archive.open(f"{postgres_url}?workspace=nobody")
    password = urlsplit(postgres_url).password
    assert password
    assert password not in str(raised.value)


@pytest.mark.parametrize(
    ("password", "parameter"),
    [("s3cret%ZZ", ""), ("s3cret%00", ""), ("s3cret", "?user=%ZZ"), ("", "?password=a&s3cret")],
)
def test_a_url_that_libpq_cannot_read_is_refused_without_its_password(password: str, parameter: str) -> None:
    with pytest.raises(InvalidArgumentError, match="the URL of the database is not valid") as raised:
        Archive.open(f"postgresql://user:{password}@127.0.0.1:1/calls{parameter}")
    assert "s3cret" not in "".join(traceback.format_exception(raised.value))


def test_a_password_with_a_space_is_not_shown() -> None:
    password = "s3cret word"
    with pytest.raises(ConvAIError) as raised:  # libpq refuses the URL since version 17; before, it connects
        Archive.open(f"postgresql://user:{password}@127.0.0.1:1/calls")
    assert "s3cret" not in "".join(traceback.format_exception(raised.value))


def test_parameters_reach_libpq_as_they_were_written() -> None:
    url = PostgresUrl.parse("postgresql://user@host/calls?password=a+b%20c&workspace=acme&sslmode=require")
    assert url == PostgresUrl("postgresql://user@host/calls?password=a+b%20c&sslmode=require", "acme")


def set_for_database(url: str, setting: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {setting}")


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_writers_wait_for_each_other_at_each_isolation_level_of_the_role(postgres_url: str, level: str) -> None:
    ArchiveWriter(postgres_url, SOURCE).close()
    set_for_database(postgres_url, f"default_transaction_isolation = '{level}'")

    def store(number: int) -> None:
        url = postgres_url if number < 2 else f"{postgres_url}?workspace=acme{number}"
        with ArchiveWriter(url, SOURCE, exclusive=False) as writer:
            for count in range(15):
                writer.store([build_update(f"conv_{count % 7}", f"{number} {count}")])

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(store, number) for number in range(4)]:
            future.result()


def test_accents_are_ignored_with_each_setting_of_the_role(postgres_url: str) -> None:
    set_for_database(postgres_url, "standard_conforming_strings = off")
    with ArchiveWriter(postgres_url, SOURCE) as writer:
        writer.store([build_update("conv_1", "h\N{LATIN SMALL LETTER E WITH ACUTE}llo")])
    with Archive.open(postgres_url) as archive:
        assert len(list(archive.search("hello"))) == 1


def test_a_wrong_password_is_told_from_a_wrong_address(postgres_url: str) -> None:
    password = urlsplit(postgres_url).password
    assert password is not None
    with pytest.raises(
        ArchiveConnectionError, match=r"authentication failed .*Check the user, the password"
    ) as refused:
        Archive.open(postgres_url.replace(password, "wrong"))
    with pytest.raises(ArchiveConnectionError, match=r"Check the address, or try again later") as unreachable:
        Archive.open("postgresql://user@127.0.0.1:1/db")
    assert [refused.value.retryable, unreachable.value.retryable] == [False, True]


def test_a_session_of_another_workspace_is_neither_written_nor_read(postgres_url: str) -> None:
    """As a pooler gives it in transaction mode."""
    change = "SELECT set_config('convai.workspace', 'other', false)"
    with ArchiveWriter(postgres_url, SOURCE) as writer:
        writer._store.connection.execute(change)
        with pytest.raises(ArchiveError, match="use its session mode"):
            writer.store([build_update("conv_1", "hello")])
    with Archive.open(postgres_url) as archive, archive.snapshot() as connection:
        connection.execute(change)
        connection.execute("COMMIT")
        with pytest.raises(ArchiveError, match="use its session mode"), archive.snapshot():
            pass
    with Archive.open(postgres_url) as archive:
        assert archive.status().conversations == 0


def test_an_absurd_duration_does_not_break_the_view_of_latencies(postgres_url: str) -> None:
    metrics = {"metrics": {"convai_llm_service_ttfb": {"elapsed_time": 1e308}}}
    raw = {"conversation_id": "one", "agent_id": "a", "status": "done", "metadata": {}}
    turn = {"role": "agent", "message": "hello", "conversation_turn_metrics": metrics}
    document = msgspec.json.encode(raw | {"transcript": [turn, turn]})
    with ArchiveWriter(postgres_url, SOURCE) as writer:
        writer.store([decode_update(ConversationSummary(conversation_id="one"), document)])
    with Archive.open(postgres_url) as archive, archive.snapshot() as connection:
        assert connection.execute("SELECT count(*) FROM turn_metrics").fetchone() == (2,)
        assert connection.execute("SELECT * FROM latency").fetchall() == []


def test_queries_can_be_iterated_within_each_other(postgres_url: str) -> None:
    with ArchiveWriter(postgres_url, SOURCE) as writer:
        writer.store([build_update(each, "hello") for each in ("one", "two")])
    query = "SELECT conversation_id FROM conversations ORDER BY 1"
    with Archive.open(postgres_url) as archive, archive.snapshot() as connection:
        pairs = [(one, other) for (one,) in connection.iterate(query) for (other,) in connection.iterate(query)]
    assert pairs == [("one", "one"), ("one", "two"), ("two", "one"), ("two", "two")]


def test_timeouts_of_the_database_end_no_export_but_those_of_the_url_are_kept(postgres_url: str) -> None:
    timeouts = ["statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"]
    ArchiveWriter(postgres_url, SOURCE).close()
    for name in timeouts:
        set_for_database(postgres_url, f"{name} = '1h'")
    for options, expected in [("", "0"), ("?options=-c%20statement_timeout%3D1h", "1h")]:
        with Archive.open(f"{postgres_url}{options}") as archive, archive.snapshot() as connection:
            values = [connection.execute(f"SHOW {name}").fetchone() for name in timeouts]
        assert values == [(expected,), ("0",), ("0",)]


def test_a_connection_ends_when_its_network_is_lost_while_a_statement_is_sent(postgres_url: str) -> None:
    for parameters, milliseconds in [("", "30000"), ("?tcp_user_timeout=7000", "7000")]:
        connection = PostgresConnection(PostgresUrl.parse(f"{postgres_url}{parameters}"), read_only=True)
        assert connection.raw.info.get_parameters()["tcp_user_timeout"] == milliseconds
        connection.close()


def test_rows_that_are_not_read_to_the_end_cause_no_second_error_when_the_connection_is_lost(postgres_url: str) -> None:
    with ArchiveWriter(postgres_url, SOURCE) as writer:
        writer.store([build_update(each, "hello") for each in ("one", "two")])
    with Archive.open(postgres_url) as archive:
        rows = archive.rows("turns")
        next(rows)
        with psycopg.connect(postgres_url) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'convai_async'"
            )
        rows.close()  # type: ignore[attr-defined]


def test_database_that_can_only_be_read_is_said_to_be_a_replica(postgres_url: str) -> None:
    ArchiveWriter(postgres_url, SOURCE).close()
    with (
        Archive.open(postgres_url) as archive,
        archive.snapshot() as connection,
        pytest.raises(ArchiveError, match=r"can only be read: .* use the address of its primary server"),
    ):
        connection.execute("DELETE FROM turns")
