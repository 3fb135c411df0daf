"""A process that sends bulk requests all the time, and shares the limit of its key with others.

    python limit_worker.py URL API_KEY CONNINFO TASKS [interactive]

It prints a line when it starts, and ends when its standard input is closed. Without CONNINFO (``""``) its limiter knows
of no other process.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack

from convai_async import ConvAIClient, RetryPolicy, endpoints


async def main(url: str, api_key: str, conninfo: str, tasks: str) -> None:
    retry = RetryPolicy(attempts=20, timeout=None)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ConvAIClient(api_key, base_url=url, retry=retry))
        if conninfo:
            from convai_async.workers._key_limits import open_key_limits  # noqa: PLC0415 - needs an extra

            limits = await stack.enter_async_context(open_key_limits(conninfo))
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


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
