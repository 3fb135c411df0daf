"""The schema, the schedule and the housekeeping of the queue."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest
from procrastinate.schema import SchemaManager
from worker_database import list_jobs, query

from convai_async.archive import ArchiveError
from convai_async.workers import (
    ScheduledWorkspace,
    add_workspaces,
    change_workspace,
    create_app,
    create_blueprint,
    defer_harvest,
    prepare_database,
)
from convai_async.workers._database import connect, parse_database
from convai_async.workers._housekeeping import delete_old_jobs, requeue_stalled_jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from procrastinate import App

pytest_plugins = ["worker_fixtures"]

ACME = ScheduledWorkspace(name="acme", key="env:ACME_KEY", schedule="0 6 * * *")
MIGRATIONS = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
DUMP = """
SELECT array_agg(proname || prosrc ORDER BY proname) FROM pg_proc WHERE pronamespace = 'convai_queue'::regnamespace
UNION ALL SELECT array_agg(enumlabel::text ORDER BY enumlabel::text) FROM pg_enum
UNION ALL SELECT array_agg(table_name || column_name || data_type ORDER BY table_name, column_name)
    FROM information_schema.columns WHERE table_schema = 'convai_queue'
UNION ALL SELECT array_agg(indexdef ORDER BY indexdef) FROM pg_indexes WHERE schemaname = 'convai_queue'
UNION ALL SELECT ARRAY[obj_description('convai_queue'::regnamespace, 'pg_namespace')]
"""


@pytest.fixture
async def app(postgres_url: str) -> AsyncIterator[App]:
    await prepare_database(postgres_url)
    app = create_app(postgres_url)
    app.add_tasks_from(create_blueprint(postgres_url), namespace="convai")
    async with app.open_async():
        yield app


async def run_housekeeping(app: App, task: str) -> None:
    """Run a periodic task once, as a worker does."""
    await app.configure_task(f"convai:{task}").defer_async(timestamp=0)
    await app.run_worker_async(queues=["convai-housekeeping"], wait=False, install_signal_handlers=False)


async def start_job(app: App, name: str, *, heartbeat: str = "1 hour") -> int:
    """Take a job from the queue as a worker does whose last heartbeat was some time ago; return its id."""
    await defer_harvest(app, name)
    worker = await app.job_manager.register_worker()
    job = await app.job_manager.fetch_job(["convai"], worker)
    assert job is not None
    await app.connector.execute_query_async(
        "UPDATE procrastinate_workers SET last_heartbeat = now() - %(age)s::interval WHERE id = %(id)s",
        age=heartbeat,
        id=worker,
    )
    return job.id or 0


async def test_schema_is_made_once_by_several_at_the_same_time(postgres_url: str) -> None:
    await asyncio.gather(*(prepare_database(postgres_url) for _ in range(4)))
    assert query(postgres_url, "SELECT obj_description('convai_queue'::regnamespace, 'pg_namespace')") == [
        MIGRATIONS[-1].name
    ]
    assert query(postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


async def test_timeouts_of_the_database_end_no_connection_but_those_of_the_url_are_kept(postgres_url: str) -> None:
    await prepare_database(postgres_url)
    for name in ("statement_timeout", "idle_session_timeout"):
        query(postgres_url, f"ALTER DATABASE {urlsplit(postgres_url).path[1:]} SET {name} = '1h'")
    url = f"{postgres_url}?options=-c%20statement_timeout%3D2h"
    async with connect(parse_database(url)) as connection, create_app(url).open_async() as app:
        for name, expected in (("statement_timeout", "2h"), ("idle_session_timeout", "0")):
            assert await (await connection.execute(f"SHOW {name}".encode())).fetchone() == (expected,)
            assert await app.connector.execute_query_one_async(f"SHOW {name}") == {name: expected}


async def test_queue_of_an_older_procrastinate_is_upgraded(postgres_url: str) -> None:
    await prepare_database(postgres_url)
    expected = query(postgres_url, DUMP)
    query(postgres_url, "DROP SCHEMA convai_queue CASCADE")
    older = [path for path in MIGRATIONS if path.name < "03.02"]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute("CREATE SCHEMA convai_queue")
        connection.execute(f"COMMENT ON SCHEMA convai_queue IS '{older[-1].name}'")
        connection.execute("SET search_path = convai_queue")
        for path in older:
            connection.execute(path.read_bytes())
    assert query(postgres_url, DUMP) != expected
    await asyncio.gather(prepare_database(postgres_url), prepare_database(postgres_url))
    assert query(postgres_url, DUMP) == expected


async def test_queue_of_a_newer_procrastinate_stays_as_it_is(postgres_url: str) -> None:
    await prepare_database(postgres_url)
    query(postgres_url, "COMMENT ON SCHEMA convai_queue IS '99.00.00_01_newer.sql'")
    await prepare_database(postgres_url)
    assert query(postgres_url, DUMP)[-1] == ["99.00.00_01_newer.sql"]


async def test_role_without_rights_is_explained(postgres_url: str) -> None:
    query(postgres_url, "CREATE ROLE convai_weak LOGIN PASSWORD 'weak'")
    try:
        with pytest.raises(ArchiveError, match=r"'postgresql://convai_weak@.*' is not permitted"):
            await prepare_database(re.sub("//.*@", "//convai_weak:weak@", postgres_url))
    finally:
        query(postgres_url, "DROP ROLE convai_weak")


async def test_new_workspace_is_due_and_then_waits_for_its_schedule(app: App, postgres_url: str) -> None:
    await add_workspaces(postgres_url, [ACME])
    await run_housekeeping(app, "schedule")
    await run_housekeeping(app, "schedule")
    assert list_jobs(postgres_url) == [({"name": "acme", "attempt": 0}, "todo", 0)]
    query(postgres_url, "DELETE FROM convai_queue.procrastinate_jobs")
    await run_housekeeping(app, "schedule")
    assert list_jobs(postgres_url) == []
    query(postgres_url, "UPDATE convai.workspaces SET scheduled_until = now() - interval '9 days'")
    await run_housekeeping(app, "schedule")
    await run_housekeeping(app, "schedule")
    assert len(list_jobs(postgres_url)) == 1, "times that were missed count once"


async def test_paused_workspace_is_not_due(app: App, postgres_url: str) -> None:
    await add_workspaces(postgres_url, [ACME])
    await change_workspace(postgres_url, "acme", paused=True)
    await run_housekeeping(app, "schedule")
    assert list_jobs(postgres_url) == []


async def test_harvest_is_queued_once_and_runs_once_at_a_time(app: App) -> None:
    assert await defer_harvest(app, "acme")
    assert not await defer_harvest(app, "acme")
    assert await app.job_manager.fetch_job(["convai"], await app.job_manager.register_worker()) is not None
    assert await defer_harvest(app, "acme"), "one more can wait"
    assert await app.job_manager.fetch_job(["convai"], await app.job_manager.register_worker()) is None


async def test_job_of_a_worker_without_heartbeat_is_queued_as_a_new_one(
    app: App, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    stalled = await start_job(app, "acme")
    healthy = await start_job(app, "beta", heartbeat="1 second")
    await asyncio.gather(requeue_stalled_jobs(app, 30), requeue_stalled_jobs(app, 30))
    jobs = query(
        postgres_url,
        "SELECT args->>'name', status::text, attempts FROM convai_queue.procrastinate_jobs"
        " WHERE queue_name = 'convai' ORDER BY 1",
    )
    assert jobs == [("acme", "todo", 1), ("beta", "doing", 0)]
    [new, kept] = query(postgres_url, "SELECT id FROM convai_queue.procrastinate_jobs ORDER BY args->>'name'")
    assert new != stalled
    assert kept == healthy
    assert f"convai:harvest_workspace[{stalled}]" in caplog.text


async def test_stalled_job_leaves_its_place_to_one_that_is_queued(app: App, postgres_url: str) -> None:
    await start_job(app, "acme")
    await defer_harvest(app, "acme")
    await requeue_stalled_jobs(app, 30)
    assert list_jobs(postgres_url) == [({"name": "acme", "attempt": 0}, "todo", 0)]


async def test_job_that_stalls_each_time_waits_for_the_schedule(app: App, postgres_url: str) -> None:
    await start_job(app, "acme")
    query(postgres_url, "UPDATE convai_queue.procrastinate_jobs SET attempts = 5")
    await requeue_stalled_jobs(app, 30)
    assert list_jobs(postgres_url) == []


async def test_stalled_housekeeping_does_not_stop_housekeeping(app: App, postgres_url: str) -> None:
    await start_job(app, "acme")
    for _ in range(2):  # as when the workers that ran it were killed
        await app.configure_task("convai:requeue").defer_async(timestamp=0)
        worker = await app.job_manager.register_worker()
        assert await app.job_manager.fetch_job(["convai-housekeeping"], worker) is not None
    query(postgres_url, "UPDATE convai_queue.procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    await run_housekeeping(app, "requeue")
    assert query(postgres_url, "SELECT status::text FROM convai_queue.procrastinate_jobs WHERE status = 'doing'") == []
    assert len(list_jobs(postgres_url)) == 1


async def test_what_ended_long_ago_is_deleted(app: App, postgres_url: str) -> None:
    ids: list[Any] = [await start_job(app, name) for name in ("old", "new")]
    query(postgres_url, "UPDATE convai_queue.procrastinate_jobs SET status = 'failed'")
    query(
        postgres_url,
        "UPDATE convai_queue.procrastinate_events SET at = at - interval '8 days' WHERE job_id = %s",
        ids[0],
    )
    query(
        postgres_url,
        "INSERT INTO convai.harvests (workspace, worker, started_at, outcome) VALUES"
        " ('acme', 'w', now() - interval '99 days', 'complete'), ('acme', 'w', now() - interval '98 days', 'complete'),"
        " ('acme', 'w', now() - interval '97 days', 'failed'), ('acme', 'w', now(), 'failed')",
    )
    await run_housekeeping(app, "clean_up")
    await delete_old_jobs(app)
    assert query(postgres_url, "SELECT id FROM convai_queue.procrastinate_jobs WHERE queue_name = 'convai'") == [ids[1]]
    assert query(postgres_url, "SELECT id FROM convai.harvests ORDER BY id") == [2, 3, 4]


def test_times_of_periodic_tasks_are_seconds() -> None:
    blueprint = create_blueprint("postgresql://localhost/db", stalled_secs=30)
    assert {task.task.name: task.cron for task in blueprint.periodic_registry.periodic_tasks.values()} == {
        "requeue": "* * * * * */10",
        "schedule": "* * * * * */15",
        "clean_up": "17 * * * *",
    }
