"""Harvest many large gzip responses at once, and print the peak of this process's memory in MiB.

    python memory_attack.py RESPONSES MEGABYTES MAX_MEMORY_MIB

The responses are conversations of so many megabytes each, compressed to a fiftieth: not so small that they are refused
as decompression bombs.
"""

from __future__ import annotations

import asyncio
import gzip
import multiprocessing
import resource
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from aiohttp import web

from convai_async import ConvAIClient
from convai_async.harvest import harvest

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def peak_mib() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins with what the parent had
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024**2 if sys.platform == "darwin" else 1024)


def transcript(size: int) -> bytes:
    rng = Random(1)
    turns = b",".join(
        b'{"role": "user", "message": "%s %s"}' % (rng.randbytes(20).hex().encode(), b"la" * 1500) for _ in range(100)
    )
    return b'"transcript": [%s]}' % b",".join([turns] * (size // len(turns) + 1))


def serve(connection: Connection, responses: int, size: int) -> None:
    rest = transcript(size)
    packed = {
        f"conv_{number:03}": gzip.compress(b'{"conversation_id": "conv_%03d", "status": "done", ' % number + rest, 6)
        for number in range(responses)
    }

    async def list_conversations(_request: web.Request) -> web.Response:
        lines = [{"conversation_id": each, "status": "done", "start_time_unix_secs": 1_700_000_000} for each in packed]
        return web.json_response({"conversations": lines, "has_more": False})

    async def get_conversation(request: web.Request) -> web.Response:
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        return web.Response(body=packed[request.match_info["id"]], headers=headers)

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/v1/convai/conversations", list_conversations)
        app.router.add_get("/v1/convai/conversations/{id}", get_conversation)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        connection.send((runner.addresses[0][1], sum(map(len, packed.values()))))
        await asyncio.Event().wait()

    asyncio.run(run())


async def attack(port: int, responses: int, max_memory_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{port}"
        async with ConvAIClient("key", base_url=url, max_memory_bytes=max_memory_bytes) as client:
            report = await harvest(client, Path(folder, "calls.db"))
            assert (report.fetched, report.undecodable) == (responses, 0)
            assert client._engine.session.memory.used == 0


def main(responses: int, megabytes: int, max_memory_mib: int) -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    service = spawn.Process(target=serve, args=(theirs, responses, megabytes * 1_000_000), daemon=True)
    service.start()
    port, wire = ours.recv()
    asyncio.run(attack(port, responses, max_memory_mib * 1024 * 1024))
    service.terminate()
    print(f"{wire / 1e6:.1f} MB on the wire", file=sys.stderr)
    print(peak_mib())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
