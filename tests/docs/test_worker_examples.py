"""The documentation's workers handle a job, drop one that can never succeed, and repeat one that can."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import RetryPolicy
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import Callable


SUMMARY = "Ann wants a refund."


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryPolicy, "compute_backoff", lambda *_: 0.0)


def fail_once(service: FakeConvAI, attempts: int = 5) -> None:
    """Let the next job fail with an error that is retryable: as many requests fail as the client sends."""
    service.faults.add(faults.status(503), times=attempts)


async def test_taskiq_returns_a_result_and_repeats_a_job(
    load: Callable[[str], dict[str, Any]], served: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = load("workers_taskiq")
    broker, summarize = example["broker"], example["summarize"]
    broker.middlewares[0].default_delay = 0.01
    await broker.startup()

    async def result_of(conversation_id: str) -> Any:
        task = await summarize.kiq(conversation_id)
        return await task.wait_result(timeout=60, check_interval=0.01)

    assert (await result_of("conv_1")).return_value == SUMMARY
    assert (await result_of("conv_none")).return_value is None
    before = len(served.requests)
    fail_once(served)
    await summarize.kiq("conv_1")
    async with asyncio.timeout(60):
        while len(served.requests) < before + 6:
            await asyncio.sleep(0.01)
    await broker.wait_all()
    await broker.shutdown()


async def test_arq_returns_a_result_and_repeats_a_job(
    load: Callable[[str], dict[str, Any]], served: FakeConvAI
) -> None:
    example = load("workers_arq")
    retry = example["Retry"]
    settings = example["WorkerSettings"]
    ctx: dict[str, Any] = {}
    await settings.on_startup(ctx)
    [summarize] = settings.functions
    assert await summarize(ctx, "conv_1") == SUMMARY
    assert await summarize(ctx, "conv_none") is None
    fail_once(served)
    with pytest.raises(retry) as repeated:
        await summarize(ctx, "conv_1")
    assert repeated.value.defer_score == 60_000
    await settings.on_shutdown(ctx)
    assert example.keys() >= {"startup", "shutdown", "summarize"}


async def test_celery_returns_a_result_and_repeats_a_job(
    load: Callable[[str], dict[str, Any]], served: FakeConvAI
) -> None:
    example = load("workers_celery")

    def work() -> list[Any]:
        example["open_client"]()
        tasks = [example["summarize"].apply(args=[each]) for each in ("conv_1", "conv_none")]
        fail_once(served)
        before = len(served.requests)
        example["summarize"].apply(args=["conv_1"])
        example["close_client"]()
        return [*(each.get() for each in tasks), len(served.requests) - before]

    assert await asyncio.to_thread(work) == [SUMMARY, None, 6]


async def test_dramatiq_handles_jobs_in_its_event_loop(
    load: Callable[[str], dict[str, Any]],
    served: FakeConvAI,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "dramatiq")
    example = load("workers_dramatiq")
    dramatiq = example["dramatiq"]
    broker, print_status = example["broker"], example["print_status"]

    def work() -> None:
        worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=2)
        worker.start()
        try:
            for conversation_id in ("conv_1", "conv_none"):
                print_status.send(conversation_id)
            broker.join(print_status.queue_name, timeout=60_000)
            fail_once(served)
            print_status.send("conv_1")
            while "in 60000 milliseconds" not in caplog.text:
                time.sleep(0.01)
        finally:
            worker.stop()

    await asyncio.to_thread(work)
    assert capsys.readouterr().out == "conv_1 done\n"


async def test_lambda_reports_the_messages_that_should_come_again(
    load: Callable[[str], dict[str, Any]], served: FakeConvAI
) -> None:
    example = load("workers_lambda_sqs")
    records = [{"messageId": each, "body": each} for each in ("conv_1", "conv_none", "conv_2")]
    served.faults.add(faults.status(503), path="conv_2", times=3)

    def work() -> list[Any]:
        responses = [example["handler"]({"Records": records}, SimpleNamespace()) for _ in range(2)]
        example["runner"].run(example["client"].close())
        example["runner"].close()
        return responses

    first, second = await asyncio.to_thread(work)
    assert first == {"batchItemFailures": [{"itemIdentifier": "conv_2"}]}
    assert second == {"batchItemFailures": []}
