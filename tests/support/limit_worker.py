"""A process that sends bulk requests all the time, and shares the limit of its key with others.

    python limit_worker.py URL API_KEY DATABASE TASKS LEASE_SECS CLOCK_SECS

It prints a line when it starts, and ends when its standard input is closed. Without a database (``""``) its limiter
knows of no other process. Its clocks differ by a number of seconds from those of other processes.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack

from convai_async import ConvAIClient, RetryPolicy, endpoints


async def main(url: str, api_key: str, database: str, tasks: str, lease_secs: str) -> None:
    retry = RetryPolicy(attempts=20, timeout=None)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ConvAIClient(api_key, base_url=url, retry=retry))
        if database:
            from convai_async.workers import _key_limits  # noqa: PLC0415 - needs an extra
            from convai_async.workers._database import parse_database  # noqa: PLC0415 - needs an extra

            _key_limits._LEASE_SECS = float(lease_secs)
            limits = _key_limits.KeyLimits(parse_database(database))
            await stack.enter_async_context(limits.join(client))
        bulk = client.with_options(priority="bulk")

        async def send() -> None:
            while True:
                await bulk.send_raw(endpoints.list_conversations(page_size=1))

        senders = [asyncio.create_task(send()) for _ in range(int(tasks))]
        print("started", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for sender in senders:
            sender.cancel()
        await asyncio.wait(senders)


def shift_clocks(seconds: float) -> None:
    for name in ("time", "monotonic"):
        clock = getattr(time, name)
        setattr(time, name, lambda clock=clock: clock() + seconds)


if __name__ == "__main__":
    shift_clocks(float(sys.argv[6]))
    asyncio.run(main(*sys.argv[1:6]))
