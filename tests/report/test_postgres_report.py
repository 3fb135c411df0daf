"""Reports of conversations in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from report_archives import DAY, HOSTILE, START, build_document

from convai_async.archive import Archive
from convai_async.models import Conversation
from convai_async.report import build_report
from convai_async.report._queries import ReportFilters, find_starts, read_report_data

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["postgres_fixtures"]

DOCUMENTS = [
    build_document("conv_1", rating=2, dislikes=1, comment=HOSTILE, criteria={"polite": "failure"}),
    build_document("conv_2", agent="Sales", start=START - DAY, tool_fails=True, collected={"reason": "refund"}),
    build_document("conv_3", agent="Sales", start=START - 100 * DAY, error="no credits", outcome=None, seconds=None),
    {**build_document("conv_4", start=START - 500 * DAY, likes=1), "agent_id": None, "agent_name": None},
    build_document("conv_5", start=START - 9000 * DAY, language="de", model=HOSTILE),
    build_document("conv_6", start=None),
]


@pytest.fixture
def archives(tmp_path: Path, postgres_url: str) -> list[str]:
    places = [str(tmp_path / "calls.db"), postgres_url]
    for place in places:
        with Archive.open(place, create=True, source="https://api.elevenlabs.io") as archive:
            for document in DOCUMENTS:
                archive.add(Conversation.from_json(msgspec.json.encode(document)))
    return places


def test_report_has_the_same_numbers_for_both_databases(archives: list[str]) -> None:
    for days in (2, 110, 600, 10_000):
        filters = ReportFilters(None, START - days * DAY, START + 1)
        results = []
        for place in archives:
            with Archive.open(place) as archive:
                data = read_report_data(archive, filters)
                assert data is not None
                results.append((msgspec.to_builtins(data), find_starts(archive, filters)))
        assert results[1] == results[0]


def test_report_of_a_url_writes_a_page_without_a_password(archives: list[str], tmp_path: Path) -> None:
    for number, place in enumerate(archives):
        build_report(f"{place}?workspace=default" if number else place).write_html(tmp_path / f"{number}.html")
    pages = [(tmp_path / f"{number}.html").read_text() for number in (0, 1)]
    assert "conv_1" in pages[1]
    assert archives[1].split("@")[0].rsplit(":", 1)[1] not in pages[1]
