"""Workers run steps on the archives of the database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from procrastinate import JobContext
from procrastinate.jobs import Status
from worker_database import query

from convai_async import ConvAIClient, Conversation, steps
from convai_async.errors import InvalidArgumentError
from convai_async.harvest import harvest
from convai_async.testing import FakeConvAI
from convai_async.workers import ScheduledWorkspace, create_app, create_blueprint, prepare_database, run_worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from procrastinate import App
    from procrastinate.jobs import Job

pytest_plugins = ["worker_fixtures"]

RESULTS = "SELECT workspace, step, version, count(*) FROM convai.step_results GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
JOBS = """
SELECT args->>'workspace', jsonb_array_length(args->'ids') FROM convai_queue.procrastinate_jobs
WHERE task_name = 'convai:process' AND status = 'todo' ORDER BY id
"""


@steps.step("turns", version=2)
async def count_turns(conversation: Conversation) -> int:
    return len(conversation.transcript)


@steps.step("turns", version=1)
async def count_turns_before(conversation: Conversation) -> int:
    return 0


@pytest.fixture
async def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with 25 conversations of one workspace and 3 of another."""
    monkeypatch.setattr("convai_async.workers._step_jobs._IDS_PER_JOB", 10)
    await prepare_database(postgres_url)
    for workspace, size in (("acme", 25), ("beta", 3)):
        async with FakeConvAI(conversations=size) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
            await harvest(client, f"{postgres_url}?workspace={workspace}", source="https://api.example")
    return postgres_url


@asynccontextmanager
async def open_app(url: str, *chosen: steps.Step[Any]) -> AsyncIterator[App]:
    app = create_app(url)
    app.add_tasks_from(create_blueprint(url, steps=chosen), namespace="convai")
    async with app.open_async():
        yield app


async def queue_due(app: App) -> str:
    """Queue what is due, and return the queue."""
    [periodic] = [each for each in app.periodic_registry.periodic_tasks.values() if each.periodic_id == "turns"]
    options: Any = {**periodic.configure_kwargs, "task_kwargs": {"step": "turns", "timestamp": 0}}
    await periodic.task.configure(**options).defer_async()
    worker = await app.job_manager.register_worker()
    job = await app.job_manager.fetch_job([options["queue"]], worker)
    assert job is not None
    await app.tasks["convai:queue_step"].func(make_context(app, job), **job.task_kwargs)
    await app.job_manager.finish_job(job, Status.SUCCEEDED, delete_job=True)
    return str(options["queue"])


def make_context(app: App, job: Job) -> JobContext:
    return JobContext(app=app, job=job, start_timestamp=0, abort_reason=lambda: None)


async def run_jobs(app: App) -> None:
    """Queue what is due, and run it."""
    queue = await queue_due(app)
    await app.run_worker_async(queues=[queue], wait=False, install_signal_handlers=False)


async def test_step_runs_on_what_archives_have_in_jobs_of_limited_size(database: str) -> None:
    async with open_app(database, count_turns) as app:
        await queue_due(app)
        await queue_due(app)
        assert sorted(query(database, JOBS)) == [("acme", 5), ("acme", 10), ("acme", 10), ("beta", 3)], "once"
        await run_jobs(app)
    assert query(database, RESULTS) == [("acme", "turns", 2, 25), ("beta", "turns", 2, 3)]


async def test_older_version_of_a_step_has_no_jobs(database: str) -> None:
    async with open_app(database, count_turns_before) as app:
        await run_jobs(app)
    async with open_app(database, count_turns) as app:
        await run_jobs(app)
    assert query(database, RESULTS) == [("acme", "turns", 2, 25), ("beta", "turns", 2, 3)]
    query(database, "DELETE FROM convai.step_results")
    async with open_app(database, count_turns_before) as app:
        await queue_due(app)
    assert query(database, JOBS) == []


async def test_archive_that_cannot_be_queued_does_not_stop_the_others(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    query(
        database,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON convai.steps FOR EACH ROW WHEN (NEW.workspace = 'acme')"
        " EXECUTE FUNCTION refuse()",
    )
    async with open_app(database, count_turns) as app:
        await run_jobs(app)
    assert query(database, RESULTS) == [("beta", "turns", 2, 3)]
    assert "step turns: " in caplog.text


def test_two_steps_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="two steps with the name 'turns'"):
        create_blueprint("postgresql://localhost/db", steps=[count_turns, count_turns_before])


async def test_worker_harvests_and_runs_steps_on_what_is_new(
    acme: ScheduledWorkspace, postgres_url: str, service: FakeConvAI
) -> None:
    stop, done = anyio.Event(), 0

    @steps.step("size", version=1, select="all")
    async def measure(conversation: Conversation) -> int:
        nonlocal done
        done += 1
        if done == 40:
            stop.set()
        return len(conversation.transcript)

    await run_worker(postgres_url, steps=[measure], stop=stop)
    assert query(postgres_url, RESULTS) == [("acme", "size", 1, 40)]


async def test_keyboard_interrupt_in_a_step_stops_the_worker(database: str, caplog: pytest.LogCaptureFixture) -> None:
    @steps.step("turns", version=2)
    def interrupt(conversation: Conversation) -> None:
        raise KeyboardInterrupt

    stop = anyio.Event()
    await run_worker(database, steps=[interrupt], stop=stop)
    assert stop.is_set()
    assert "step turns raised KeyboardInterrupt: the worker stops" in caplog.messages
    assert query(database, "SELECT DISTINCT attempts, claim FROM convai.step_jobs") == [(0, None)]
