"""The pages of an archive in PostgreSQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from archives import SOURCE, build_update
from both_stores import get_label
from browse_client import open_browser

from convai_async.archive import Archive, _page_reader
from convai_async.archive._location import parse_location
from convai_async.archive._writer import ArchiveWriter
from convai_async.browse._database import ArchiveConnection

if TYPE_CHECKING:
    from postgres import PostgresServer

    from convai_async.archive._reader import ArchiveReader

pytest_plugins = ["postgres_fixtures", "both_stores_fixtures"]

QUERIES = [
    *("", "q=refund", "q=refun*+order", 'q="your+order"', "q=l'adresse", "q=xylophone"),
    *("agent=agent_billing&q=order", "tool=reset_password", "tool=reset_password&q=order", "max_rating=3"),
    *("has=recording", "has=failed_tool", "has=comment", "has=error", "first_day=2026-05-01&last_day=2026-05-20"),
]


async def test_pages_are_the_same_for_both_databases(both_stores: tuple[str, str]) -> None:
    with Archive.open(both_stores[0]) as archive:
        ids = [each.conversation_id for each in archive.conversations()][:4]
    paths = [*(f"/?{query}" for query in QUERIES), *(f"/conversations/{each}" for each in ids), "/conversations/none"]
    pages = []
    for store in both_stores:
        async with open_browser(store) as browser:
            texts = [await (await browser.get(path)).text() for path in paths]
        pages.append([re.sub(r"calls\.db|postgresql://[^<\"]*", "ARCHIVE", text) for text in texts])
    for path, of_file, of_database in zip(paths, *pages, strict=True):
        assert of_database == of_file, path
    assert "<mark>" in pages[1][1]


async def test_list_continues_in_both_directions(postgres_url: str) -> None:
    with ArchiveWriter(postgres_url, SOURCE) as writer:
        writer.store([build_update(f"conv_{number:03}", "hello", start=1000 + number // 3) for number in range(120)])
        with_none = build_update("conv_none", "hello")
        with_none.row["start_time_unix_secs"] = None
        writer.store([with_none])
    shown: list[str] = []
    async with open_browser(postgres_url) as browser:
        url: str | None = "/?q=hello"
        while url is not None:
            page = await browser.read(url)
            shown += re.findall(r'href="/conversations/(\w+)', page)
            found = re.search(r'href="(/\?[^"]*older_than=[^"]*)"', page)
            url = None if found is None else found[1].replace("&amp;", "&")
        newer = await browser.read(f"/?newer_than={quote('1000:conv_000')}")
    assert list(dict.fromkeys(shown)) == [*(f"conv_{number:03}" for number in reversed(range(120))), "conv_none"]
    assert re.findall(r'href="/conversations/(\w+)"', newer)[-1] == "conv_001"


async def test_name_on_pages_has_no_password(both_stores: tuple[str, str]) -> None:
    async with open_browser(both_stores[1]) as browser:
        page = await browser.read("/")
    assert get_label(both_stores[1]) in page


async def test_pages_are_served_again_after_the_database_was_restarted(postgres_server: PostgresServer) -> None:
    url = postgres_server.url
    with ArchiveWriter(url, SOURCE) as writer:
        writer.store([build_update("conv_1", "hello")])
    async with open_browser(url) as browser:
        assert "conv_1" in await browser.read("/")
        postgres_server.stop()
        assert "cannot be reached" in await browser.read("/", 503)
        postgres_server.start()
        assert "conv_1" in await browser.read("/")


async def test_slow_statements_are_ended(both_stores: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_page_reader, "POSTGRES_SETTINGS", _page_reader.POSTGRES_SETTINGS.replace("10s", "50ms"))

    def wait(reader: ArchiveReader) -> None:
        reader.connection.execute("SELECT pg_sleep(60)")

    async with ArchiveConnection.open(both_stores[1]) as archive:
        with pytest.raises(Exception, match="statement timeout"):
            await archive.run(wait)


async def test_pages_cannot_change_a_database(both_stores: tuple[str, str]) -> None:
    async with ArchiveConnection.open(parse_location(both_stores[1])) as archive:
        with pytest.raises(Exception, match="read-only transaction"):
            await archive.run(lambda reader: reader.connection.execute("DELETE FROM turns"))
    with psycopg.connect(both_stores[1].partition("?")[0]) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM convai.turns").fetchone() == (True,)
