"""The page of a conversation, and the errors of an archive."""

from __future__ import annotations

import html
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from archives import SOURCE, rows
from browse_client import open_browser
from jinja2 import Template

from convai_async.archive import Archive, ArchiveError
from convai_async.browse import serve_archive
from convai_async.browse._templates import format_iso, format_json, format_local_time, format_metric
from convai_async.models import Conversation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ["browse_fixtures"]


async def test_page_contains_everything_about_a_conversation(harvested_once: Path) -> None:
    ((conversation_id,),) = rows(
        harvested_once,
        "SELECT conversation_id FROM tool_calls JOIN rag_retrievals USING (conversation_id)"
        " JOIN evaluation_results USING (conversation_id) LIMIT 1",
    )
    async with open_browser(harvested_once) as browser:
        text = html.unescape(await browser.read(f"/conversations/{conversation_id}"))
    of_it = f"WHERE conversation_id = '{conversation_id}'"
    for query in (
        f"message FROM turns {of_it} AND message IS NOT NULL",
        f"tool_name FROM tool_calls {of_it}",
        f"tool_latency_secs FROM tool_calls {of_it} AND tool_latency_secs IS NOT NULL",
        f"query FROM rag_retrievals {of_it}",
        f"rationale FROM evaluation_results {of_it}",
        f"data_collection_id FROM data_collection_results {of_it}",
        f"elapsed_secs FROM turn_metrics {of_it}",
        f"model FROM llm_usage {of_it}",
        f"name FROM dynamic_variables {of_it}",
        f"transcript_summary FROM conversations {of_it}",
        f"cost FROM conversations {of_it}",
    ):
        values = [value for (value,) in rows(harvested_once, f"SELECT {query}")]
        assert values
        for value in values:
            assert (f"{value:.2f} s" if isinstance(value, float) else str(value)) in text, query


KEPT = {"conversation_id", "turn_metrics", "dynamic_variables", "features", "tag_id", "main_language"}
HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>'{{ 7 * 7 }}"


async def test_conversation_is_rendered_outside_the_event_loop(
    archive_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((conversation_id,),) = rows(archive_copy, "SELECT conversation_id FROM conversations LIMIT 1")
    threads: list[threading.Thread] = []
    render = Template.render

    def record(template: Template, *arguments: object, **values: object) -> str:
        if template.name == "conversation.html":
            threads.append(threading.current_thread())
        return render(template, *arguments, **values)

    monkeypatch.setattr(Template, "render", record)
    async with open_browser(archive_copy) as browser:
        await browser.read(f"/conversations/{conversation_id}")
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread(), "a long one would hold up the other pages"


async def test_hostile_text_is_escaped_everywhere(archive_copy: Path) -> None:
    ((conversation_id,),) = rows(archive_copy, "SELECT conversation_id FROM tool_calls LIMIT 1")
    with closing(sqlite3.connect(archive_copy)) as connection, connection:
        for table in ("conversations", "turns", "tool_calls", "evaluation_results", "data_collection_results", "tags"):
            for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
                if kind.startswith("TEXT") and name not in KEPT:
                    connection.execute(f"UPDATE {table} SET {name} = ?", (f"words {HOSTILE}",))
        connection.execute("INSERT INTO tags VALUES (?, ?)", (conversation_id, HOSTILE))
        connection.execute("UPDATE conversations SET main_language = ?", ('"><b>',))
        connection.execute("UPDATE conversations SET deleted_unix_secs = 1, dynamic_variables = ?", ('{"<b>": "<i>"}',))
        connection.execute("INSERT INTO turns_search (turns_search) VALUES ('rebuild')")
    async with open_browser(archive_copy) as browser:
        for path in ("/", "/?q=words", f"/?q={'%3Cb%3Ewords'}", f"/conversations/{conversation_id}"):
            text = await browser.read(path)
            assert "&lt;script&gt;" in text
            assert not any(tag in text for tag in ("<script>", "<img", "<i>", 'lang=""><b>', 'value="<b>'))


async def test_id_with_special_characters_has_a_page(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    with Archive.open(path, create=True, source=SOURCE) as archive:
        archive.add(Conversation(conversation_id="a/b?c#{d}%2F", agent_id="agent_1"))
    async with open_browser(path) as browser:
        assert 'href="/conversations/a%2Fb%3Fc%23%7Bd%7D%252F"' in await browser.read("/")
        assert "<code>a/b?c#{d}%2F</code>" in await browser.read("/conversations/a%2Fb%3Fc%23%7Bd%7D%252F")


@pytest.mark.parametrize("replacement", ["nothing", "an archive", "another file"])
async def test_archive_that_was_removed_or_replaced_is_explained(archive_copy: Path, replacement: str) -> None:
    async with open_browser(archive_copy) as browser:
        moved = archive_copy.rename(archive_copy.with_name("moved.db"))
        if replacement == "an archive":
            shutil.copy(moved, archive_copy)
        elif replacement == "another file":
            archive_copy.write_text("text")
        for path in ("/", "/conversations/x", "/conversations/x/recording"):
            assert "was moved, removed or replaced" in await browser.read(path, 503)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE conversations SET rating = 'good'", "contains data that convai_async did not write"),
        ("DROP TABLE audio", "no such table: audio"),
    ],
)
async def test_damaged_archive_is_explained(archive_copy: Path, change: str, problem: str) -> None:
    async with open_browser(archive_copy) as browser:
        with closing(sqlite3.connect(archive_copy)) as connection, connection:
            connection.execute(change)
        assert problem in await browser.read("/", 503)


async def test_text_that_is_not_utf8_is_shown(archive_copy: Path) -> None:
    with closing(sqlite3.connect(archive_copy)) as connection, connection:
        connection.execute("UPDATE conversations SET call_summary_title = CAST(x'61ff62' AS TEXT)")
    async with open_browser(archive_copy) as browser:
        assert "a\N{REPLACEMENT CHARACTER}b" in await browser.read("/")


async def test_archive_in_a_folder_that_cannot_be_written_is_shown(
    archive_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root can write everywhere
    async with open_browser(archive_copy) as browser:
        assert "<audio" in await browser.read(
            "/conversations/" + rows(archive_copy, "SELECT conversation_id FROM audio")[0][0]
        )
        assert [each.name for each in archive_copy.parent.glob("*.db-*")] == []


async def test_log_of_sqlite_is_removed_at_the_end(archive_copy: Path) -> None:
    async with open_browser(archive_copy) as browser:
        await browser.read("/")
    assert [each.name for each in archive_copy.parent.glob("*.db-*")] == []


async def test_missing_archive_raises(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no archive"):
        async with serve_archive(tmp_path / "calls.db"):
            raise AssertionError


async def test_rows_that_belong_to_no_turn_are_left_out(archive_copy: Path) -> None:
    ((conversation_id,),) = rows(archive_copy, "SELECT conversation_id FROM tool_calls LIMIT 1")
    with closing(sqlite3.connect(archive_copy)) as connection, connection:
        connection.execute("UPDATE tool_calls SET turn_position = 999, tool_name = 'lost'")
        connection.execute("UPDATE conversations SET turn_metrics = ?", ('{"first": [null], "second": [7.125]}',))
    async with open_browser(archive_copy) as browser:
        text = await browser.read(f"/conversations/{conversation_id}")
        assert "lost" not in text
        assert "<span>first" not in text
        assert "second 7.12 s" in text


@pytest.fixture
def _tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_tokyo")
def test_times_are_local_and_empty_outside_the_calendar() -> None:
    times = [format_local_time(each) for each in (None, 0, 10**12, 253402300799)]
    assert times == ["", "1970-01-01 09:00", "", ""]


def test_json_and_metrics_are_formatted() -> None:
    assert (format_iso(None), format_iso(0)) == ("", "1970-01-01T00:00:00+00:00")
    assert format_json("no JSON") == "no JSON"
    assert (format_json(None), format_json('{"a":1}'), format_json("not JSON")) == ("", '{\n  "a": 1\n}', "not JSON")
    assert [format_json("[" * depth + "]" * depth)[:2] for depth in (5, 500, 100_000)] == ["[\n", "[[", "[["]
    assert format_metric("convai_llm_service_ttfb") == "llm first byte"
    assert format_metric("convai_llm_service_ttf_sentence") == "llm first sentence"
