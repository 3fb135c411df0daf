"""A process that sends requests of every outcome, in rounds, and says as JSON what it held after each."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
from itertools import cycle, islice
from typing import Any

import psutil

from convai_async import ConvAIClient, ConvAIError, RetryPolicy


async def main(rounds: str, requests: str, url: str, api_key: str, recorded: str, agent_id: str, *ids: str) -> None:
    report = []
    retry = RetryPolicy(attempts=2, wait_initial=0, wait_max=0)
    async with ConvAIClient(api_key, base_url=url, retry=retry) as client:
        for _ in range(int(rounds)):
            sent = await a_round(client, recorded, agent_id, ids, int(requests))
            gc.collect()
            report.append({"requests": sent, **left_behind()})
    sys.stdout.write(json.dumps(report))


async def a_round(client: ConvAIClient, recorded: str, agent_id: str, ids: tuple[str, ...], least: int) -> int:
    """Do a bit of everything, and return how many requests it took."""
    requests = 0
    async with client.conversations.get_many(islice(cycle((*ids, "missing")), least), max_concurrency=16) as results:
        async for _ in results:
            requests += 1
    for _ in range(20):
        async with client.conversations.list(page_size=5).prefetch() as summaries:
            async for _ in summaries:
                break  # leaves the pages that load
        async with client.conversations.audio.stream(recorded) as recording:
            async for _ in recording:
                break
        with contextlib.suppress(ConvAIError):
            await client.with_options(timeout=0.0001).conversations.get(ids[0])
        async with client.conversations.connect(agent_id, authorization="none", tools={}) as live:
            await live.ask("Hi")
            await live.send_audio(bytes(320))
        task = asyncio.ensure_future(client.conversations.get(ids[0]))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    return requests


def left_behind() -> dict[str, Any]:
    process = psutil.Process()
    return {
        "memory": process.memory_info().rss,
        "objects": len(gc.get_objects()),
        "files": process.num_fds(),
        "sockets": len(process.net_connections()),
        "tasks": len(asyncio.all_tasks()),
        "threads": process.num_threads(),
    }


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
