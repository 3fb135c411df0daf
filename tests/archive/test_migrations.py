"""Archives of older versions become archives of this one."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from convai_async.archive import Archive, ArchiveError, Window
from convai_async.archive._lookups import Scope
from convai_async.archive._records import ConversationUpdate, decode_update
from convai_async.archive._schema._tables import SCHEMA_VERSION
from convai_async.archive._sqlite import _fill
from convai_async.archive._sqlite._migrations import MIGRATIONS
from convai_async.archive._writer import ArchiveWriter
from convai_async.models import ConversationSummary

DATA = Path(__file__).parents[1] / "data"
SOURCE = "sandbox:4"
CONTENTS = "SELECT conversation_id, raw FROM conversations ORDER BY 1"
SAID = "SELECT conversation_id, position, message FROM turns ORDER BY 1, 2"


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def old_archive(folder: Path, version: int) -> Path:
    path = folder / "calls.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / f"archive-schema-{version}.sql").read_text())
    return path


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_older_archive_is_upgraded_and_keeps_its_contents(tmp_path: Path, version: int) -> None:
    path = old_archive(tmp_path, version)
    before, said, failures = (rows(path, query) for query in (CONTENTS, SAID, "SELECT attempts FROM failures"))
    with pytest.raises(ArchiveError, match=r"older convai_async .*the next `convai-async harvest"):
        Archive.open(path)
    ArchiveWriter(path, SOURCE).close()
    assert (rows(path, CONTENTS), rows(path, SAID)) == (before, said)
    with Archive.open(path) as archive:
        word = next(word for _, _, message in said for word in message.split() if word.isalpha())
        assert list(archive.search(word)) != []
        assert [(failure.attempts,) for failure in archive.failures()] == failures
        assert archive.status().conversations == len(before)
    fresh = tmp_path / "fresh.db"
    ArchiveWriter(fresh, SOURCE).close()
    for query in (
        "SELECT name, type FROM sqlite_schema ORDER BY 1",
        "SELECT t.name, c.name, c.type, c.pk FROM sqlite_schema t, pragma_table_info(t.name) c ORDER BY 1, 2",
        "PRAGMA user_version",
    ):
        assert rows(path, query) == rows(fresh, query)


def test_archive_with_a_hash_of_version_6_is_bound_again_by_its_conversations(tmp_path: Path) -> None:
    path = old_archive(tmp_path, 6)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE archive SET key_salt = x'01', key_fingerprint = x'02'")
        connection.commit()
    with ArchiveWriter(path, SOURCE, hash_api_key=lambda _: b"new") as writer:
        assert not writer.is_bound, "a harvest compares its conversations with those of the service first"


def test_placeholder_list_entries_of_version_2_webhooks_are_dropped(tmp_path: Path) -> None:
    path = old_archive(tmp_path, 2)
    with ArchiveWriter(path, SOURCE) as writer:
        assert [each.conversation_id for each in writer.find_unfinished(Scope(Window(0, None)))] == [
            "conv_wiped",
            "conv_x",
        ]
        assert writer.get_windows("") == [Window(1_600_000_000, 1_700_000_001)]
        hook = ConversationSummary(conversation_id="conv_hook", agent_id="agent_1", status="done", message_count=1)
        assert writer.find_unchanged([hook]) == {"conv_hook"}
    assert rows(path, "SELECT conversation_id, from_webhook, summary_json IS NULL FROM conversations ORDER BY 1") == [
        ("conv_a", 0, 0),
        ("conv_b", 0, 0),
        ("conv_hook", 1, 1),
        ("conv_wiped", 1, 1),
    ]


def test_removal_that_version_2_left_incomplete_is_completed(tmp_path: Path) -> None:
    path = old_archive(tmp_path, 2)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DELETE FROM turns; DELETE FROM conversations;")
    assert b"refund" in path.read_bytes()
    ArchiveWriter(path, SOURCE).close()
    assert b"refund" not in path.read_bytes()


FROZEN = {
    1: "45f4a535d60fda38",
    2: "5620c920307f4120",
    3: "7e3f49337c026997",
    4: "e7a1686bd44be3f0",
    5: "35cb90ebfccfc52e",
    6: "6e7c0360b43faedf",
}
"""Of each migration, the beginning of its SHA-256."""


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION - 1))
def test_migration_makes_the_tables_of_the_next_version_and_not_of_today(version: int) -> None:
    query = (
        'SELECT t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk'
        " FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1, 2"
    )
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((DATA / f"archive-schema-{version + 1}.sql").read_text())
        next_version = connection.execute(query).fetchall()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((DATA / f"archive-schema-{version}.sql").read_text())
        connection.executescript(MIGRATIONS[version])
        upgraded = connection.execute(query).fetchall()
    assert upgraded == next_version


def test_first_migration_makes_tables_with_the_text_of_version_2() -> None:
    """A text that was released does not change: what it makes is what the next one begins with."""
    query = "SELECT sql FROM sqlite_schema WHERE name IN ('turns', 'failures')"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((DATA / "archive-schema-2.sql").read_text())
        version_2 = connection.execute(query).fetchall()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((DATA / "archive-schema-1.sql").read_text())
        connection.executescript(MIGRATIONS[1])
        upgraded = connection.execute(query).fetchall()
    assert sorted(version_2) == sorted(upgraded)


def test_migrations_are_frozen() -> None:
    """Released: never change a text. A new migration gets a new line here."""
    digests = {version: hashlib.sha256(text.encode()).hexdigest()[:16] for version, text in MIGRATIONS.items()}
    assert digests == FROZEN


FACTS = {
    "conversations": "SELECT agent_number, external_number, call_sid, phone_call_type, branch_id, version_id,"
    " environment, authorization_method, conversation_initiation_source, text_only, accepted_time_unix_secs,"
    " queue_wait_secs, cost_fiat, call_charge, llm_charge, llm_price, tier, error_code, error_reason,"
    " likes, dislikes, comment FROM conversations WHERE conversation_id = 'conv_full'",
    "turns": "SELECT position, turn_agent_id, source_medium, original_message, producing_llm, feedback FROM turns"
    " WHERE conversation_id = 'conv_full' ORDER BY 1",
    "tool_calls": "SELECT tool_name, json_extract(tool_details, '$.url'), instr(tool_details, 'hidden'), result_type,"
    " transfer_target FROM tool_calls WHERE conversation_id = 'conv_full' ORDER BY position",
    "turn_metrics": "SELECT * FROM turn_metrics",
    "evaluation_results": "SELECT * FROM evaluation_results",
    "data_collection_results": "SELECT * FROM data_collection_results",
    "llm_usage": "SELECT * FROM llm_usage",
    "dynamic_variables": "SELECT * FROM dynamic_variables",
    "tags": "SELECT * FROM tags",
    "rag_retrievals": "SELECT * FROM rag_retrievals",
    "features": "SELECT * FROM features",
    "documents": "SELECT conversation_id, document IS NOT NULL FROM documents ORDER BY 1",
}
EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "conversations": [
        (
            *(
                "+15550100",
                "+15550111",
                "CA1",
                "twilio",
                "agtbrch_1",
                "agtvrsn_1",
                "production",
                "signed_url",
                "twilio",
            ),
            *(0, 1700000102, 1.5, 0.02, 218, 12, 0.0123, "pro", 1011, "LLM timed out", 2, 1, "quick and kind"),
        )
    ],
    "turns": [
        (0, "agent_1", None, "Hello there, how can I help?", "gemini-2.5-flash", None),
        (1, None, "audio", None, None, "like"),
        (2, "agent_2", None, None, None, None),
    ],
    "tool_calls": [
        ("lookup", "https://example.com/x", 0, None, None),
        ("transfer_to_agent", None, None, "transfer_to_agent_success", "agent_2"),
    ],
    "turn_metrics": [
        ("conv_full", 0, "convai_llm_service_ttfb", 0.489054),
        ("conv_full", 0, "convai_tts_service_ttfb", 0.373396),
        ("conv_full", 1, "convai_asr_trailing_service_latency", 0.21),
    ],
    "evaluation_results": [
        ("conv_full", "solved", "success", "It was.", None, None, None),
        ("conv_full", "polite", "failure", "Rude.", 2, 5, None),
        ("conv_full", "brief", "unknown", "?", None, None, "agent_2"),
    ],
    "data_collection_results": [
        ("conv_full", "reason", "refund", "string", "Said so.", None),
        ("conv_full", "party", "4", "integer", "", None),
        ("conv_full", "items", '["a","b"]', "array", "", None),
        ("conv_full", "absent", None, "null", "", None),
    ],
    "llm_usage": [
        ("conv_full", "gemini-2.5-flash", "input", 2581, 0.00038715),
        ("conv_full", "gemini-2.5-flash", "input_cache_read", 200, 0.00003),
        ("conv_full", "gemini-2.5-flash", "output_total", 118, 0.0000177),
    ],
    "dynamic_variables": [
        ("conv_full", "customer", "user_29"),
        ("conv_full", "visits", "6"),
        ("conv_full", "balance", "12.5"),
        ("conv_full", "vip", "false"),
        ("conv_full", "note", None),
    ],
    "tags": [("conv_full", "tag_1"), ("conv_full", "tag_2")],
    "rag_retrievals": [
        (
            *("conv_full", 2, "refund rules", "e5_mistral_7b_instruct", 0.031),
            '[{"document_id":"doc_0","chunk_id":"chunk_0","vector_distance":0.5}]',
        )
    ],
    "features": [
        ("conv_full", "language_detection", 1, 0),
        ("conv_full", "transfer_to_agent", 1, 1),
        ("conv_full", "is_livekit", 1, None),
        ("conv_full", "workflow.enabled", 1, None),
        ("conv_full", "workflow.tool_node", 1, 1),
        ("conv_full", "agent_testing.enabled", 1, None),
        ("conv_full", "agent_testing.tests_ran_in_last_7_days", 1, None),
    ],
    "documents": [
        *(("conv_a", 1), ("conv_b", 1), ("conv_bad", 1), ("conv_bytes", 0), ("conv_full", 1), ("conv_hook", 1)),
    ],
}


@pytest.mark.parametrize("name", FACTS)
def test_upgrade_and_fetch_fill_the_same_columns_and_tables(tmp_path: Path, name: str) -> None:
    path = old_archive(tmp_path, 4)
    ArchiveWriter(path, SOURCE).close()
    assert rows(path, FACTS[name]) == EXPECTED[name]
    fetched = tmp_path / "fetched.db"
    with ArchiveWriter(fetched, SOURCE) as writer:
        for conversation_id, raw in rows(path, CONTENTS):
            update = decode_update(ConversationSummary(conversation_id=conversation_id), raw)
            assert isinstance(update, ConversationUpdate)
            writer.store([update])
    assert rows(fetched, FACTS[name]) == EXPECTED[name]


def test_interrupted_upgrade_is_completed_by_the_next_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fill, "_BATCH", 2)
    path = old_archive(tmp_path, 4)
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Archive.upgrade(path, progress=stop)
    assert rows(path, "SELECT upgraded_to FROM archive") == [("conv_b",)]
    with pytest.raises(ArchiveError, match=r"the upgrade of .* is not complete: .*`convai-async harvest"):
        Archive.open(path)
    assert Archive.upgrade(path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 6), (4, 6), (6, 6)]
    assert not Archive.upgrade(path)
    assert rows(path, FACTS["tags"]) == EXPECTED["tags"]
    with Archive.open(path) as archive:
        assert archive.status().conversations == 6


def test_rows_without_a_conversation_are_replaced(tmp_path: Path) -> None:
    path = old_archive(tmp_path, 4)
    ArchiveWriter(path, SOURCE).close()
    with closing(sqlite3.connect(path)) as connection, connection:  # which ignores foreign keys
        connection.execute("DELETE FROM conversations WHERE conversation_id = 'conv_full'")
    (tmp_path / "x").mkdir()
    (before,) = [row for row in rows(old_archive(tmp_path / "x", 4), CONTENTS) if row[0] == "conv_full"]
    with ArchiveWriter(path, SOURCE) as writer:
        update = decode_update(ConversationSummary(conversation_id="conv_full"), before[1])
        assert isinstance(update, ConversationUpdate)
        writer.store([update])
    assert rows(path, FACTS["tags"]) == EXPECTED["tags"]
