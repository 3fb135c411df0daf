"""The list is read whole, whatever its order, and whatever happens to its cursors.

``LIST_CASES=2000 pytest tests/harvest/test_listing.py`` tries more orders than the ordinary run.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from list_server import ListServer

from convai_async.harvest import Archive, _listing, harvest

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async import ConvAIClient

NEWEST = 1_780_000_000
CASES = int(os.environ.get("LIST_CASES", "40"))


def stored(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT conversation_id FROM conversations")}


def spread(count: int, seconds: int = 60) -> dict[str, int]:
    """So many conversations, the newest first."""
    return {f"conv_{number:05}": NEWEST - seconds * number for number in range(count)}


def displaced(ids: list[str], how_many: int, furthest: int, seed: int) -> list[str]:
    """Put some ids further back in the list than they belong."""
    rng = random.Random(seed)
    order = list(ids)
    for each in rng.sample(ids[: len(ids) - furthest], how_many):
        position = order.index(each)
        order.insert(position + rng.randint(100, furthest), order.pop(position))
    return order


async def killed_after_pages(pages: int, server: ListServer, client: ConvAIClient, path: Path) -> None:
    """Harvest, and be cancelled when so many pages were asked for."""
    reached = asyncio.Event()
    before = server.pages

    def on_page(_: web.Request) -> None:
        if server.pages - before >= pages:
            reached.set()

    server.on_page = on_page
    task = asyncio.create_task(harvest(client, path))
    waiting = asyncio.create_task(reached.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    for each in (task, waiting):
        each.cancel()
    await asyncio.wait([task, waiting])
    server.on_page = lambda _: None


async def stopped_after_pages(pages: int, server: ListServer, client: ConvAIClient, path: Path) -> None:
    """Harvest, and be asked to stop when so many pages were asked for."""
    stop = anyio.Event()
    before = server.pages

    def on_page(_: web.Request) -> None:
        if server.pages - before >= pages:
            stop.set()

    server.on_page = on_page
    await harvest(client, path, stop=stop)
    server.on_page = lambda _: None


@settings(max_examples=CASES)
@given(
    starts=st.lists(st.one_of(st.integers(0, 40), st.integers(0, 4_000_000)), max_size=60),
    shuffling=st.sampled_from(["newest first", "oldest first", "any", "some displaced"]),
    seed=st.integers(0, 1_000),
    page_size=st.integers(1, 9),
    parts=st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(1, 40)),
    max_concurrency=st.integers(1, 5),
    ends=st.lists(st.tuples(st.sampled_from(["killed", "stopped"]), st.integers(1, 40)), max_size=2),
    cursors=st.sampled_from([1, 1, 1, 0.7, 0]),
)
def test_any_list_in_any_order_is_stored_whole(
    starts: list[int],
    shuffling: str,
    seed: int,
    page_size: int,
    parts: tuple[int, int, int],
    max_concurrency: int,
    ends: list[tuple[str, int]],
    cursors: float,
) -> None:
    rng = random.Random(seed)
    conversations = {f"conv_{number}": NEWEST - start for number, start in enumerate(starts)}
    order = sorted(conversations, key=lambda each: (conversations[each], each), reverse=shuffling != "oldest first")
    if shuffling == "any":
        rng.shuffle(order)
    elif shuffling == "some displaced" and order:
        for each in rng.sample(order, len(order) // 5):
            order.remove(each)
            order.insert(rng.randrange(len(order) + 1), each)

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "calls.db"
            async with ListServer(conversations, order=order, page_size=page_size) as server, server.client() as client:
                server.cursors_work = lambda _: rng.random() < cursors
                for how, pages in ends:
                    end = killed_after_pages if how == "killed" else stopped_after_pages
                    await end(pages, server, client, path)
                    listed = set(server.listed)
                report = await harvest(client, path, max_concurrency=max_concurrency)
                with Archive.open(path) as archive:
                    failed = {failure.conversation_id for failure in archive.failures()}
                    windows = archive.status().windows
                assert server.listed <= stored(path), "what was listed is stored"
                if ends:
                    assert listed <= stored(path)
                assert report.complete or cursors < 1
                if not report.complete:
                    assert failed
                    unread = set(conversations) - stored(path)
                    assert not any(conversations[each] in window for each in unread for window in windows)
                    return
                assert stored(path) == set(conversations)
                assert all(any(start in window for window in windows) for start in conversations.values())
                if not ends and cursors == 1:
                    assert (report.found, report.fetched) == (len(conversations), len(conversations)), (
                        "each counts once"
                    )
                assert (await harvest(client, path)).fetched == 0

    pages_a_part, most_pages, most_equal = parts
    with (
        patch.object(_listing, "_PAGES_A_PART", pages_a_part),
        patch.object(_listing, "_MOST_PAGES", most_pages),
        patch.object(_listing, "_MOST_EQUAL_PAGES", most_equal),
    ):
        anyio.run(run)


@pytest.mark.parametrize(("count", "how_many", "furthest"), [(500, 1, 250), (2_000, 20, 1_000)])
@pytest.mark.parametrize("seed", range(3))
async def test_displaced_conversations_are_stored(
    tmp_path: Path, count: int, how_many: int, furthest: int, seed: int
) -> None:
    conversations = spread(count)
    order = displaced(list(conversations), how_many, furthest, seed)
    async with ListServer(conversations, order=order) as server, server.client() as client:
        report = await harvest(client, tmp_path / "calls.db")
        assert report.complete
        assert (report.found, report.fetched, report.unchanged) == (count, count, 0)
        assert stored(tmp_path / "calls.db") == set(conversations)
