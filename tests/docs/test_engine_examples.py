"""The documentation's recipes for workflow engines harvest, retry what can succeed later, and fail otherwise."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from documentation import EXAMPLES, SHARED
from threaded_service import ThreadedService
from unmeasured import unmeasured

from convai_async import RetryPolicy
from convai_async.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from convai_async.testing import FakeConvAI

COUNT = 20


@pytest.fixture
def service() -> Iterator[FakeConvAI]:
    with ThreadedService(conversations=COUNT) as fake:
        yield fake


@pytest.fixture
def folder(service: FakeConvAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with the module that the recipes import, and the workspaces: the key of globex is wrong."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(RetryPolicy, "compute_backoff", lambda *_: 0.0)
    (tmp_path / f"{SHARED}.py").write_text(EXAMPLES[f"engines_{SHARED}"].source)
    names = {"acme": service.api_key, "globex": "xi-wrong"}
    tables = []
    for name, key in names.items():
        monkeypatch.setenv(f"KEY_{name}", key)
        tables.append(
            f'[[workspaces]]\nname = "{name}"\nkey = "env:KEY_{name}"\narchive = "{name}.db"\n'
            f'base_url = "{service.url}"\n'
        )
    (tmp_path / "workspaces.toml").write_text("\n".join(tables))
    yield tmp_path
    sys.modules.pop(SHARED, None)


@pytest.fixture
def locked(folder: Path, service: FakeConvAI) -> Iterator[None]:
    """Another harvest uses the archive of acme."""
    with Archive.open(folder / "acme.db", create=True, source=service.url) as archive, archive.lock():
        yield


HARVESTED = {"fetched": COUNT, "failed": 0}


def count_starts(example: dict[str, Any], name: str) -> list[str]:
    """Return a list to which each start of a harvest by the recipe adds its workspace."""
    started: list[str] = []
    harvest = example[name]

    def start(workspace: str) -> Any:
        started.append(workspace)
        return harvest(workspace)

    example[name] = start
    return started


async def test_cancelled_recipe_waits_for_requests_in_flight(
    load: Callable[[str], dict[str, Any]], folder: Path, service: FakeConvAI
) -> None:
    for _ in range(300):
        service.add()
    service._latency = (0.2, 0.2)
    task = asyncio.create_task(load("engines_calls")["harvest_workspace"]("acme"))
    async with asyncio.timeout(10):
        while len(service.requests) < 10:
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    sent = [request for request in service.requests if request.operation == "get_conversation"]
    with Archive.open("acme.db") as archive:
        assert archive.status().conversations == len(sent)
    assert 0 < len(sent) < 300


def test_sigterm_ends_a_blocking_recipe_gracefully(
    load: Callable[[str], dict[str, Any]], folder: Path, service: FakeConvAI
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    module = load("engines_calls")
    assert module["harvest_blocking"]("acme") == HARVESTED
    harvest = module["harvest_workspace"]

    async def harvest_after_signal(name: str) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return await harvest(name)

    module["harvest_workspace"] = harvest_after_signal
    with pytest.raises(InterruptedError, match="acme"):
        module["harvest_blocking"]("acme")
    assert signal.getsignal(signal.SIGTERM) is before


async def test_taskiq_harvests_and_retries_only_what_can_succeed_later(
    load: Callable[[str], dict[str, Any]], folder: Path, request: pytest.FixtureRequest
) -> None:
    example = load("engines_taskiq")
    example["retries"].default_delay = 0
    harvest_one = example["harvest_one"]
    started = count_starts(example, "harvest_workspace")

    async def result_of(name: str) -> Any:
        task = await harvest_one.kiq(name)
        await example["broker"].wait_all()
        return await task.wait_result(timeout=10, check_interval=0.01)

    result = await result_of("acme")
    assert result.return_value == HARVESTED
    assert type((await result_of("globex")).error).__name__ == "AuthenticationError"
    request.getfixturevalue("locked")
    assert isinstance((await result_of("acme")).error, example["TryAgainError"])
    await example["broker"].wait_all()
    assert started == ["acme", "globex", *["acme"] * 4]


async def test_arq_harvests_and_retries_only_what_can_succeed_later(
    load: Callable[[str], dict[str, Any]],
    folder: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fakeredis = pytest.importorskip("fakeredis", reason="fakeredis is in the group recipes")
    example = load("engines_arq")
    from arq import Worker  # noqa: PLC0415
    from arq.connections import ArqRedis  # noqa: PLC0415
    from arq.worker import get_kwargs  # noqa: PLC0415

    async def log_nothing(*_: object) -> None:
        pass

    monkeypatch.setattr("arq.worker.log_redis_info", log_nothing)  # fakeredis has no INFO
    pool = ArqRedis(connection_pool=fakeredis.FakeAsyncRedis().connection_pool)
    settings: dict[str, Any] = {**get_kwargs(example["WorkerSettings"]), "cron_jobs": None}

    async def work() -> Worker:
        worker = Worker(redis_pool=pool, burst=True, handle_signals=False, poll_delay=0.01, **settings)
        await worker.async_run()
        return worker

    await example["start_all"]({"redis": pool})
    await example["start_all"]({"redis": pool})  # queues nothing, as the jobs are waiting
    worker = await work()
    assert (worker.jobs_complete, worker.jobs_failed, worker.jobs_retried) == (1, 1, 0)
    with Archive.open("acme.db") as archive:
        assert archive.status().conversations == COUNT
    request.getfixturevalue("locked")
    with pytest.raises(example["Retry"]):
        await example["harvest_one"]({}, "acme")
    await pool.aclose()


def test_celery_harvests_and_retries_only_what_can_succeed_later(
    load: Callable[[str], dict[str, Any]], folder: Path, request: pytest.FixtureRequest
) -> None:
    example = load("engines_celery")
    harvest_one = example["harvest_one"]
    started = count_starts(example, "harvest_blocking")
    assert harvest_one.apply(args=["acme"]).get() == HARVESTED
    failed = harvest_one.apply(args=["globex"])
    assert type(failed.result).__name__ == "AuthenticationError"
    assert {each["task"] for each in example["app"].conf.beat_schedule.values()} == {harvest_one.name}
    request.getfixturevalue("locked")
    busy = harvest_one.apply(args=["acme"])
    assert type(busy.result).__name__ == "ArchiveBusyError"
    assert started == ["acme", "globex", *["acme"] * 4]


def run_with(engine: str, folder: Path, script: str) -> Any:
    """Run a script that imports a recipe, and return the JSON that it prints last."""
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed: `nox -s engines` runs this test")
    recipes = folder / "recipes"  # Airflow imports every module in it
    recipes.mkdir()
    (recipes / "recipe.py").write_text(EXAMPLES[f"engines_{engine}"].source)
    settings = {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(recipes),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "DAGSTER_HOME": str(folder),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PYTHONPATH": f"{folder}:{recipes}",
    }
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        check=False,
        cwd=folder,
        env=unmeasured() | settings,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def test_dagster_harvests_and_retries_only_what_can_succeed_later(folder: Path) -> None:
    script = """
    import json, dagster, recipe
    from convai_async.archive import Archive
    expected = {"fetched", "failed"}
    def run(name):
        with dagster.DagsterInstance.ephemeral() as instance:
            result = dagster.materialize([recipe.calls], partition_key=name, instance=instance, raise_on_error=False)
            kinds = [event.event_type_value for event in result.all_events]
            counts = [
                {key: value.value for key, value in event.materialization.metadata.items() if key in expected}
                for event in result.get_asset_materialization_events()
            ]
            return [result.success, counts, kinds.count("STEP_UP_FOR_RETRY")]
    dagster.Definitions.validate_loadable(recipe.definitions)
    results = [run("acme"), run("globex")]
    context = dagster.build_asset_context(partition_key="acme")
    with Archive.open("acme.db") as archive, archive.lock():
        try:
            recipe.calls(context)
        except dagster.RetryRequested as error:
            results.append([error.max_retries, error.seconds_to_wait])
    results.append([each.partition_key for each in recipe.nightly()])
    print(json.dumps(results))
    """
    assert run_with("dagster", folder, script) == [
        [True, [HARVESTED], 0],
        [False, [], 0],
        [3, 300],
        ["acme", "globex"],
    ]


def test_prefect_harvests_and_retries_only_what_can_succeed_later(folder: Path) -> None:
    script = """
    import json, recipe
    from prefect.testing.utilities import prefect_test_harness
    from convai_async.archive import Archive
    with prefect_test_harness(server_startup_timeout=120):
        results = [recipe.harvest_workspaces(["acme"])]
        runs = []
        original = recipe.harvest_workspace
        async def counted(name):
            runs.append(name)
            return await original(name)
        recipe.harvest_workspace = counted
        recipe.harvest_one.retry_delay_seconds = 0
        state = recipe.harvest_workspaces(["globex"], return_state=True)
        results.append([state.type.value, len(runs)])
        runs.clear()
        with Archive.open("acme.db") as archive, archive.lock():
            state = recipe.harvest_workspaces(["acme"], return_state=True)
        results.append([state.type.value, len(runs)])
    print(json.dumps(results))
    """
    assert run_with("prefect", folder, script) == [[HARVESTED], ["FAILED", 1], ["FAILED", 4]]


def test_airflow_harvests_and_retries_only_what_can_succeed_later(folder: Path) -> None:
    script = """
    import json, subprocess, sys
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, stdout=subprocess.DEVNULL)
    import recipe
    from convai_async.archive import Archive, ArchiveBusyError
    instances = recipe.nightly.test().get_task_instances()
    results = [[str(each.state), each.try_number] for each in sorted(instances, key=lambda each: each.map_index)]
    with Archive.open("acme.db") as archive:
        results.append(archive.status().conversations)
        with archive.lock():
            try:
                recipe.harvest_one.function("acme")
            except ArchiveBusyError:  # which Airflow retries
                results.append("retry")
    print(json.dumps(results))
    """
    assert run_with("airflow", folder, script) == [["success", 1], ["failed", 1], COUNT, "retry"]
