from __future__ import annotations

import asyncio
import time
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from convai_async import Fetched, FetchResult, NotFetched
from convai_async.errors import InvalidArgumentError, NotFoundError, PermissionDeniedError, ServerError
from convai_async.polling._many import map_concurrently
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from convai_async import ConvAIClient


@pytest.fixture
async def fake() -> AsyncIterator[FakeConvAI]:
    async with FakeConvAI(conversations=250, latency=0.001) as service:
        yield service


async def test_every_conversation_is_returned_once(client: ConvAIClient, fake: FakeConvAI) -> None:
    ids = list(fake.conversations)
    async with client.conversations.get_many(ids) as results:
        got = [result async for result in results]
    assert sorted(result.conversation_id for result in got) == sorted(ids)
    for result in got:
        assert result.error is None
        assert result.conversation is not None
        assert result.conversation.conversation_id == result.conversation_id
    assert fake.peak_in_flight > 4


async def test_ids_can_be_an_async_iterable(client: ConvAIClient, fake: FakeConvAI) -> None:
    ids = (summary.conversation_id async for summary in client.conversations.list())
    async with client.conversations.get_many(ids, max_concurrency=5) as results:
        assert len([result async for result in results]) == len(fake.conversations)
    assert fake.peak_in_flight <= 6  # five and the request of the list


async def test_failed_conversation_does_not_stop_the_others(client: ConvAIClient, fake: FakeConvAI) -> None:
    good, bad = list(fake.conversations)[:2]
    fake.faults.add(faults.status(500), path=bad, times=None)
    async with client.conversations.get_many([good, bad, "conv_none", ""]) as results:
        errors = {result.conversation_id: type(result.error) async for result in results}
    assert errors == {good: type(None), bad: ServerError, "conv_none": NotFoundError, "": InvalidArgumentError}


async def test_no_more_than_max_concurrency_requests_are_in_flight(client: ConvAIClient, fake: FakeConvAI) -> None:
    async with client.conversations.get_many(fake.conversations, max_concurrency=3) as results:
        assert len([result async for result in results]) == 250
    assert fake.peak_in_flight == 3


async def test_slow_consumer_limits_how_many_ids_are_read_ahead(client: ConvAIClient, fake: FakeConvAI) -> None:
    taken = 0

    def ids() -> Iterator[str]:
        nonlocal taken
        for conversation_id in fake.conversations:
            taken += 1
            yield conversation_id

    async with client.conversations.get_many(ids(), max_concurrency=4) as results:
        await anext(results)
        while len(fake.requests) < 5:
            await asyncio.sleep(0)
        assert taken <= 9


async def test_leaving_the_block_cancels_the_other_requests(client: ConvAIClient, fake: FakeConvAI) -> None:
    before = asyncio.all_tasks()
    async with client.conversations.get_many(fake.conversations, max_concurrency=4) as results:
        async for _ in results:
            break
    assert len(fake.requests) < 20
    left = {task for task in asyncio.all_tasks() - before if "convai_async/polling" in repr(task)}
    assert left == set()
    assert len(await client.conversations.list(page_size=1)) == 1


async def test_exception_of_the_ids_is_raised(client: ConvAIClient, fake: FakeConvAI) -> None:
    async def ids() -> AsyncIterator[str]:
        yield next(iter(fake.conversations))
        raise ZeroDivisionError

    async def read() -> None:
        async with client.conversations.get_many(ids()) as results:
            async for _ in results:
                pass

    with pytest.raises(ZeroDivisionError):
        await read()


async def test_exception_of_the_block_is_not_wrapped(client: ConvAIClient, fake: FakeConvAI) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with client.conversations.get_many(fake.conversations):
            raise KeyError("mine")


async def test_result_is_fetched_or_not_fetched(client: ConvAIClient, fake: FakeConvAI) -> None:
    async with client.conversations.get_many([next(iter(fake.conversations)), "conv_none"]) as results:
        kinds = {}
        async for result in results:
            assert isinstance(result, FetchResult)
            match result:
                case Fetched(conversation=conversation, error=None):
                    kinds["fetched"] = conversation.conversation_id
                case NotFetched(conversation=None, error=error):
                    kinds["not fetched"] = type(error).__name__
    assert kinds == {"fetched": next(iter(fake.conversations)), "not fetched": "NotFoundError"}


async def test_several_tasks_can_share_the_results_and_all_end(client: ConvAIClient, fake: FakeConvAI) -> None:
    ids = list(fake.conversations)[:40]
    async with client.conversations.get_many(ids, max_concurrency=4) as results, asyncio.timeout(60):

        async def read() -> list[str]:
            return [result.conversation_id async for result in results]

        shares = await asyncio.gather(*(read() for _ in range(3)))
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert sorted(chain(*shares)) == sorted(ids)


async def test_task_that_waits_when_the_block_ends_gets_an_error(client: ConvAIClient, fake: FakeConvAI) -> None:
    async def never() -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""

    async with client.conversations.get_many(never()) as results:
        waiting = [asyncio.ensure_future(anext(results)) for _ in range(5)]
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        for task in waiting:
            with pytest.raises(RuntimeError, match="the `async with` block has ended: iterate inside it"):
                await task


async def measure_results(results: int, max_concurrency: int) -> float:
    """Return the CPU seconds for a number of results and a consumer that is slower than the tasks."""

    async def worker(conversation_id: str) -> str:
        return conversation_id

    began = time.process_time()
    async with map_concurrently(map(str, range(results)), worker, max_concurrency) as mapped:
        async for _ in mapped:
            await asyncio.sleep(0)
    return time.process_time() - began


async def test_cost_of_a_result_does_not_grow_with_the_number_of_tasks() -> None:
    few = await measure_results(4_000, 16)
    assert await measure_results(4_000, 512) < 4 * few + 0.1  # 30 times as much if a result woke every task


async def test_no_ids_give_no_results(client: ConvAIClient) -> None:
    async with client.conversations.get_many([]) as results:
        assert [result async for result in results] == []


async def test_invalid_arguments_are_refused_by_name(client: ConvAIClient) -> None:
    for get_or_delete in (client.conversations.get_many, client.conversations.delete_many):
        for max_concurrency in (0, -1, True, 1.5, "4", None):
            with pytest.raises(InvalidArgumentError, match=r"^max_concurrency: must be a whole number, 1 or more"):
                await get_or_delete([], max_concurrency=max_concurrency).__aenter__()  # type: ignore[arg-type]
        for ids in ("conv_1", b"conv_1", 5, None):
            with pytest.raises(InvalidArgumentError, match=r"^ids: must be an iterable of ids, not one "):
                await get_or_delete(ids).__aenter__()  # type: ignore[arg-type]


async def test_every_id_has_a_result_when_all_requests_fail(client: ConvAIClient, fake: FakeConvAI) -> None:
    fake.faults.add(faults.drop(), times=None)
    async with client.with_options(retry=None).conversations.get_many(fake.conversations) as results:
        assert all([result.error is not None async for result in results])


async def test_delete_many_reports_each_conversation(client: ConvAIClient, fake: FakeConvAI) -> None:
    ids = list(fake.conversations)
    fake.faults.add(faults.status(403), path=ids[3], times=None)
    async with client.conversations.delete_many([*ids[:50], "conv_none"], max_concurrency=8) as results:
        errors = {result.conversation_id: type(result.error) async for result in results}
    assert {key: value for key, value in errors.items() if value is not type(None)} == {
        ids[3]: PermissionDeniedError,
        "conv_none": NotFoundError,
    }
    assert set(errors) == {*ids[:50], "conv_none"}
    assert list(fake.conversations) == [ids[3], *ids[50:]]


async def test_timeout_while_waiting_for_a_result_loses_no_result(client: ConvAIClient, fake: FakeConvAI) -> None:
    got: list[str] = []
    given_up = 0
    async with client.conversations.get_many(fake.conversations, max_concurrency=8) as results:
        while True:
            try:
                async with asyncio.timeout(0.0005):
                    got.append((await anext(results)).conversation_id)
            except TimeoutError:
                given_up += 1
            except StopAsyncIteration:
                break
    assert sorted(got) == sorted(fake.conversations)
    assert given_up > 0


async def test_generator_around_get_many_can_be_left_early(client: ConvAIClient, fake: FakeConvAI) -> None:
    async def ids() -> AsyncIterator[str]:
        async with client.conversations.get_many(fake.conversations) as results:
            async for result in results:
                yield result.conversation_id

    async for _ in ids():
        break
    await asyncio.sleep(0.01)
    assert len(await client.conversations.list(page_size=1)) == 1


async def test_cancellation_inside_the_ids_raises_and_does_not_end_the_block(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    async def ids() -> AsyncIterator[str]:
        yield next(iter(fake.conversations))
        cancelled = asyncio.get_running_loop().create_future()
        cancelled.cancel()
        await cancelled

    async with client.conversations.get_many(ids()) as results:
        with pytest.raises(RuntimeError, match="was cancelled"):
            async for _ in results:
                pass
