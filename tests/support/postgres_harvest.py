"""A harvest in a process of its own: ``python postgres_harvest.py URL SERVICE API_KEY``."""

from __future__ import annotations

import asyncio
import sys

from convai_async import ConvAIClient
from convai_async.archive import ArchiveError
from convai_async.harvest import harvest


async def main(url: str, service: str, api_key: str) -> None:
    async with ConvAIClient(api_key, base_url=service) as client:
        try:
            await harvest(client, url)
        except ArchiveError as error:
            sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
