"""The list, its filters and the search."""

from __future__ import annotations

import html
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from archives import rows
from browse_client import Browser, open_browser

from convai_async.archive import Archive
from convai_async.browse import _queries, _search
from convai_async.browse._database import ArchiveConnection
from convai_async.browse._filters import Filters
from convai_async.browse._queries import Position, list_conversations
from convai_async.browse._search import TurnSearch
from convai_async.models import Conversation

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async.archive._reader import ArchiveReader

pytest_plugins = ["browse_fixtures"]

SAYS_REFUND = "conversation_id IN (SELECT conversation_id FROM turns WHERE message LIKE '%refund%')"
TOOLS = "SELECT tool_name FROM tool_calls WHERE tool_calls.conversation_id = conversations.conversation_id"
NEWEST_FIRST = "ORDER BY start_time_unix_secs IS NULL, start_time_unix_secs DESC, conversation_id DESC"


def find_ids(text: str) -> list[str]:
    return re.findall(r'<a class="card" href="/conversations/([^"]+)">', text)


def find_link(text: str, rel: str) -> str | None:
    link = re.search(rf'<a rel="{rel}" href="([^"]+)"', text)
    return None if link is None else html.unescape(link[1])


async def read_pages(browser: Browser, url: str, rel: str = "next") -> list[list[str]]:
    """Return the ids on each page, from a URL on."""
    pages: list[list[str]] = []
    next_url: str | None = url
    while next_url is not None:
        text = await browser.read(next_url)
        pages.append(find_ids(text))
        next_url = find_link(text, rel)
    return pages


async def test_pages_contain_every_conversation_once_newest_first_in_both_directions(archive_copy: Path) -> None:
    with closing(sqlite3.connect(archive_copy)) as connection, connection:
        connection.execute("UPDATE conversations SET start_time_unix_secs = NULL WHERE rowid % 10 = 0")
        connection.execute("UPDATE conversations SET start_time_unix_secs = 1700000000 WHERE rowid % 10 IN (1, 2)")
    expected = [each for (each,) in rows(archive_copy, f"SELECT conversation_id FROM conversations {NEWEST_FIRST}")]
    async with open_browser(archive_copy) as browser:
        first, second = await read_pages(browser, "/")
        assert first + second == expected
        assert len(first) == _queries.PAGE_SIZE
    for at in (3, 57):
        older, newer = await read_around(archive_copy, expected[at])
        assert older == expected[at + 1 :][:50]
        assert newer == expected[:at][-50:]


async def read_around(path: Path, conversation_id: str) -> tuple[list[str], list[str]]:
    """Return the ids on the pages after and before a conversation."""
    where = f"conversation_id = '{conversation_id}'"
    ((start,),) = rows(path, f"SELECT start_time_unix_secs FROM conversations WHERE {where}")
    place = Position(start, conversation_id)

    def read(reader: ArchiveReader) -> tuple[list[str], list[str]]:
        older = list_conversations(reader, Filters(), place)
        newer = list_conversations(reader, Filters(), place, newer=True)
        return [item.conversation_id for item in older.items], [item.conversation_id for item in newer.items]

    async with ArchiveConnection.open(path) as archive:
        return await archive.run(read)


async def test_links_to_newer_and_older_pages_lead_back(harvested_once: Path) -> None:
    async with open_browser(harvested_once) as browser:
        first = await browser.read("/")
        assert find_link(first, "prev") is None
        second = await browser.read(find_link(first, "next") or "")
        back = await browser.read(find_link(second, "prev") or "")
        assert find_ids(back) == find_ids(first)
        assert find_link(back, "next") == find_link(first, "next")


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("agent=agent_billing", "agent_id = 'agent_billing'"),
        ("result=failure", "call_successful = 'failure'"),
        ("status=failed", "status = 'failed'"),
        ("language=de", "main_language = 'de'"),
        ("max_rating=3", "rating <= 3"),
        ("tool=order_status", f"'order_status' IN ({TOOLS})"),
        ("has=recording", "conversation_id IN (SELECT conversation_id FROM audio)"),
        ("has=comment", "comment IS NOT NULL"),
        ("has=error", "error_code IS NOT NULL OR error_reason IS NOT NULL"),
        ("has=failed_tool", "conversation_id IN (SELECT conversation_id FROM tool_calls WHERE is_error)"),
        ("agent=agent_billing&has=recording", "agent_id = 'agent_billing' AND has_audio"),
        ("q=refund", SAYS_REFUND),
        ("q=refund&result=failure", f"call_successful = 'failure' AND {SAYS_REFUND}"),
        ("language=xx", "false"),
        ("q=nothing&tool=order_status", "false"),
    ],
)
@pytest.mark.parametrize("most_candidates", [0, 5_000])
async def test_filters_select_conversations(
    harvested_once: Path, monkeypatch: pytest.MonkeyPatch, query: str, condition: str, most_candidates: int
) -> None:
    for module in (_queries, _search):
        monkeypatch.setattr(module, "MAX_CANDIDATES", most_candidates)
    expected = rows(harvested_once, f"SELECT conversation_id FROM conversations WHERE {condition} {NEWEST_FIRST}")
    async with open_browser(harvested_once) as browser:
        text = await browser.read(f"/?{query}")
        assert find_ids(text) == [each for (each,) in expected][: _queries.PAGE_SIZE]
        assert ("No conversation matches." in text) == (not expected)


async def test_days_are_local_and_include_the_last_one(harvested_once: Path) -> None:
    local = "date(start_time_unix_secs, 'unixepoch', 'localtime')"
    (first_day,), (last_day,) = rows(harvested_once, f"SELECT DISTINCT {local} FROM conversations ORDER BY 1 LIMIT 2")
    expected = rows(
        harvested_once,
        f"SELECT conversation_id FROM conversations WHERE {local} IN ('{first_day}', '{last_day}') {NEWEST_FIRST}",
    )
    async with open_browser(harvested_once) as browser:
        text = await browser.read(f"/?first_day={first_day}&last_day={last_day}")
        assert find_ids(text) == [each for (each,) in expected]


async def test_conversation_without_a_start_is_on_no_day(archive_copy: Path) -> None:
    with closing(sqlite3.connect(archive_copy)) as connection, connection:
        connection.execute("UPDATE conversations SET start_time_unix_secs = NULL")
    async with open_browser(archive_copy) as browser:
        assert find_ids(await browser.read("/?first_day=1971-01-01")) == []


@pytest.mark.parametrize("query", ["q=&agent=&result=", "other=1", "result=failure&first_day="])
async def test_empty_and_unknown_parameters_are_removed_from_the_url(harvested_once: Path, query: str) -> None:
    async with open_browser(harvested_once) as browser:
        response = await browser.get(f"/?{query}")
        kept = "/?result=failure" if "failure" in query else "/"
        assert (response.status, response.headers["Location"]) == (303, kept)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("result=maybe", "result"),
        ("max_rating=6", "max_rating"),
        ("first_day=yesterday", "first_day"),
        ("last_day=9999-12-31", "last_day"),
        ("q=%00", "q"),
        ("q=...", "text"),
        (f"q={'a' * 1001}", "q"),
        ("older_than=x", "older_than"),
        ("newer_than=:%00", "newer_than"),
    ],
)
async def test_invalid_filter_is_explained(harvested_once: Path, query: str, problem: str) -> None:
    async with open_browser(harvested_once) as browser:
        assert f'<p class="message">{problem}: ' in await browser.read(f"/?{query}", 400)


@pytest.mark.parametrize("text", ["refund", "REFUND", '"understood. i have"', "ref*", "re*", "refund understood"])
async def test_search_shows_the_words_in_their_turns(harvested_once: Path, text: str) -> None:
    async with open_browser(harvested_once) as browser:
        page = await browser.read("/?" + str(browser.url.with_query(q=text).raw_query_string))
        with Archive.open(harvested_once) as archive:
            found = {hit.conversation_id for hit in archive.search(text)}
        assert set(find_ids(page)) == found != set()
        assert re.search(r'href="/conversations/\w+#turn-\d+"><b>(user|agent)</b> <span dir="auto">.*<mark>', page)


@pytest.mark.parametrize(("text", "is_read"), [("r*", False), ("refund re*", False), ("ref*", True), ('"re"', True)])
async def test_index_is_not_read_for_a_short_prefix(harvested_once: Path, text: str, *, is_read: bool) -> None:
    async with ArchiveConnection.open(harvested_once) as archive:
        candidates = await archive.run(lambda connection: TurnSearch(connection, text).find_candidates())
    assert (candidates is not None) == is_read


async def test_page_whose_time_is_up_continues_where_it_ended(harvested_once: Path) -> None:
    expected = rows(
        harvested_once, f"SELECT conversation_id FROM conversations WHERE main_language = 'de' {NEWEST_FIRST}"
    )
    async with open_browser(harvested_once, search_secs=0) as browser:
        text = await browser.read("/?language=xx")
        assert "were searched so far" in text
        assert "data-continue" in text
        pages = await read_pages(browser, "/?language=de")
        assert [each for page in pages for each in page] == [each for (each,) in expected]
        assert len(pages) > 2
        oldest = f"/?language=de&newer_than=0:{expected[-1][0]}"
        assert "Continue with newer ones" in await browser.read(oldest)
        newer = await read_pages(browser, oldest, "prev")
        assert [each for page in reversed(newer) for each in page] == [each for (each,) in expected]


async def test_filters_offer_the_agents_tools_and_languages_of_the_archive(harvested_once: Path) -> None:
    async with open_browser(harvested_once) as browser:
        text = await browser.read("/?agent=agent_billing")
        assert '<option value="agent_billing" selected>Billing</option>' in text
        for query in ("DISTINCT tool_name FROM tool_calls", "DISTINCT main_language FROM conversations"):
            for (value,) in rows(harvested_once, f"SELECT {query}"):
                assert f'<option value="{value}"' in text


async def test_empty_archive_says_so(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    with Archive.open(path, create=True, source="https://api.elevenlabs.io") as archive:
        archive.add(Conversation(conversation_id="conv_1", agent_id="agent_1"))
        archive.delete(["conv_1"])
    async with open_browser(path) as browser:
        assert "The archive is empty." in await browser.read("/")


async def test_new_conversation_appears_while_the_pages_are_open(archive_copy: Path) -> None:
    async with open_browser(archive_copy) as browser:
        await browser.read("/conversations/new", 404)
        with Archive.open(archive_copy) as archive:
            archive.add(Conversation(conversation_id="new", agent_id="agent_1"))
        assert "It has no transcript." in await browser.read("/conversations/new")


async def test_conversation_whose_id_has_a_nul_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    with Archive.open(path, create=True, source="https://api.elevenlabs.io") as archive:
        archive.add(Conversation(conversation_id="conv_1", agent_id="agent_1"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE conversations SET conversation_id = 'conv_' || char(0) || '1'")
    async with open_browser(path) as browser:
        assert "/conversations/conv_%001" in await browser.read("/")
