"""A webhook never replaces a newer or more complete conversation, in any order of events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convai_async import ConvAIClient
from convai_async.archive import Archive, Failure, Window, store_conversation
from convai_async.archive._lookups import Scope
from convai_async.archive._records import ConversationUpdate, DeletionUpdate, build_update, decode_update
from convai_async.archive._writer import ArchiveWriter
from convai_async.harvest import harvest
from convai_async.models import Conversation, ConversationSummary
from convai_async.models.enums import FINAL_STATUSES
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytest_plugins = ["archive_fixtures"]

SOURCE = "https://api.elevenlabs.io"
ALL = Scope(Window(0, None))
NOW = 1_000
HARVESTED = NOW - 15
EVENTS = [None, NOW - 20, NOW - 10, NOW * 1000]
"""Before the harvest, after it, and in milliseconds."""
NUMBERS = iter(range(10**9))


class Step(msgspec.Struct, frozen=True):
    """Something that happens to a conversation's place in the archive.

    Attributes:
        by: Who brings a document; ``"undecodable"`` is a harvest that gets one that it cannot read.
        event: When the webhook's event happened; None if that is not said.
        status: The document's.
        turns: How many it has.
        analysed: Whether it has an analysis.
    """

    by: str
    event: int | None
    status: str
    turns: int
    analysed: bool


steps = st.builds(
    Step,
    by=st.sampled_from(["webhook", "webhook", "harvest", "undecodable"]),
    event=st.sampled_from(EVENTS),
    status=st.sampled_from(["done", "failed", "processing"]),
    turns=st.integers(0, 2),
    analysed=st.booleans(),
)


def document_of(conversation_id: str, step: Step, mark: int) -> dict[str, Any]:
    analysis = {"call_successful": "success", "transcript_summary": f"summary {mark}"}
    if mark % 3:  # an analysis can be in part
        del analysis["call_successful" if mark % 3 == 1 else "transcript_summary"]
    return {
        "conversation_id": conversation_id,
        "status": step.status,
        "user_id": f"user {mark}",
        "transcript": [{"role": "user", "message": f"{mark}: {number}"} for number in range(step.turns)],
        "analysis": analysis if step.analysed else None,
    }


def line_of(conversation_id: str, step: Step) -> ConversationSummary:
    return ConversationSummary(conversation_id=conversation_id, status=step.status, agent_name="Ann")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def writer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveWriter]:
    path: Path | str = tmp_path_factory.mktemp("landing") / "calls.db"
    if request.param == "postgres":
        path = f"{request.getfixturevalue('postgres_database')}?workspace=precedence"
    with ArchiveWriter(path, SOURCE, clock=lambda: NOW) as opened:
        if request.param == "sqlite":
            opened._connection.execute("PRAGMA synchronous = OFF")
        yield opened


def row_of(writer: ArchiveWriter, conversation_id: str) -> dict[str, Any] | None:
    cursor = writer._connection.execute("SELECT * FROM conversations WHERE conversation_id = ?", (conversation_id,))
    row = cursor.fetchone()
    if row is None:
        return None
    found = dict(zip([name for name, *_ in cursor.description], row, strict=True))
    return found | {"raw": writer._store.decode_document(found["raw"])}


def said(writer: ArchiveWriter, conversation_id: str) -> list[str]:
    rows = writer._connection.execute(
        "SELECT message FROM turns WHERE conversation_id = ? ORDER BY position", (conversation_id,)
    )
    return [message for (message,) in rows]


def take(writer: ArchiveWriter, conversation_id: str, step: Step, mark: int) -> bytes:
    """Let it happen, and return the document as it would be kept."""
    raw = json.dumps(document_of(conversation_id, step, mark)).encode()
    if step.by == "webhook":
        conversation = Conversation.from_json(raw)
        bare = ConversationSummary(conversation_id=conversation_id)
        writer.store_if_better(build_update(bare, conversation.to_json(), conversation, step.event, from_webhook=True))
        return conversation.to_json()
    if step.by == "undecodable":
        raw = raw[:-1] + b', "transcript": 5}'
    writer.store([decode_update(line_of(conversation_id, step), raw, HARVESTED)])
    return raw


def lacks_nothing_of(new: Step, old: Step) -> bool:
    final, was_final = new.status in FINAL_STATUSES, old.status in FINAL_STATUSES
    return final >= was_final and new.turns >= old.turns and new.analysed >= old.analysed


def is_taken(step: Step, kept: Step, kept_at: int) -> bool:
    """The rule of `store_conversation`, in the words of its docstring."""
    if step.by != "webhook":
        was_fetched_before = (
            kept.by == "webhook" and kept.status in FINAL_STATUSES and step.status not in FINAL_STATUSES
        )
        return not (was_fetched_before and lacks_nothing_of(kept, step))
    if not lacks_nothing_of(step, kept):
        return False
    if kept.by != "webhook" and kept.status in FINAL_STATUSES:
        return step.event is not None and min(step.event, NOW) > kept_at
    return not lacks_nothing_of(kept, step) or step.event is None or min(step.event, NOW) > kept_at


EXAMPLES = [
    [  # the transcript comes, and then the same event without it
        Step("webhook", NOW, "done", 2, True),
        Step("webhook", NOW, "done", 0, True),
        Step("harvest", None, "done", 2, True),
        Step("webhook", NOW - 20, "done", 0, True),
    ],
    [Step("webhook", event, "done", 2, True) for event in (NOW - 20, NOW - 10, NOW - 20, None, NOW - 10)],
    [Step("harvest", None, "done", 2, True), *(Step("webhook", event, "done", 2, True) for event in EVENTS)],
    [Step("webhook", None, "done", 2, True), Step("harvest", None, "processing", 2, True)],
]


def given_steps(max_examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        for happened in EXAMPLES:
            test = example(happened=happened)(test)
        return settings(max_examples=max_examples)(given(happened=st.lists(steps, min_size=1, max_size=6))(test))

    return decorate


@pytest.mark.parametrize("writer", ["sqlite"], indirect=True)
@given_steps(250)
def test_older_or_less_complete_document_replaces_nothing(writer: ArchiveWriter, happened: list[Step]) -> None:
    check_steps(writer, happened)


@pytest.mark.parametrize("writer", ["postgres"], indirect=True)
@given_steps(25)
def test_older_or_less_complete_document_replaces_nothing_in_postgres(
    writer: ArchiveWriter, happened: list[Step]
) -> None:
    check_steps(writer, happened)


def check_steps(writer: ArchiveWriter, happened: list[Step]) -> None:
    conversation_id = f"conv_{next(NUMBERS)}"
    kept: Step | None = None
    for mark, step in enumerate(happened):
        before = row_of(writer, conversation_id)
        raw = take(writer, conversation_id, step, mark)
        readable = step if step.by != "undecodable" else msgspec.structs.replace(step, turns=0, analysed=False)
        row = row_of(writer, conversation_id)
        assert row is not None
        if kept is None or before is None or is_taken(readable, kept, before["fetched_unix_secs"]):
            assert row["raw"] == raw
            kept = readable
        else:
            assert row == before
        if step.by == "webhook":
            assert row["summary_json"] == (before["summary_json"] if before else None), "no line of the list is made up"
        check_row(writer, conversation_id, kept, row)


def check_row(writer: ArchiveWriter, conversation_id: str, kept: Step, row: dict[str, Any]) -> None:
    assert row["status"] == kept.status
    assert row["from_webhook"] == (kept.by == "webhook")
    assert row["fetched_unix_secs"] <= NOW
    assert len(said(writer, conversation_id)) == kept.turns
    complete = kept.status in FINAL_STATUSES and (kept.turns > 0 or kept.by != "webhook")
    unfinished = {summary.conversation_id for summary in writer.find_unfinished(ALL)}
    assert (conversation_id in unfinished) is not complete, "a harvest fetches what is incomplete, and nothing else"
    if row["summary_json"] is None:
        line = ConversationSummary(conversation_id=conversation_id, status=kept.status, message_count=kept.turns)
        assert (writer.find_unchanged([line]) == {conversation_id}) is complete
        more = msgspec.structs.replace(line, message_count=kept.turns + 1)
        assert writer.find_unchanged([more]) == set()


@pytest.mark.parametrize(
    "change", [{"call_summary_title": "other"}, {"rating": 2.0}, {"call_successful": "failure"}, {"status": "failed"}]
)
def test_conversation_whose_list_entry_differs_from_the_webhook_is_fetched(
    writer: ArchiveWriter, change: dict[str, Any]
) -> None:
    conversation_id = f"conv_{next(NUMBERS)}"
    take(writer, conversation_id, Step("webhook", None, "done", 2, True), 0)
    line = ConversationSummary(conversation_id=conversation_id, status="done", call_successful="success")
    assert writer.find_unchanged([line]) == {conversation_id}
    assert writer.find_unchanged([msgspec.structs.replace(line, **change)]) == set()


def test_webhook_keeps_columns_that_its_document_does_not_have(writer: ArchiveWriter) -> None:
    conversation_id = f"conv_{next(NUMBERS)}"
    step = Step("harvest", None, "processing", 1, False)
    raw = json.dumps(document_of(conversation_id, step, 0) | {"has_audio": True, "agent_id": "agent_1"}).encode()
    writer.store([decode_update(line_of(conversation_id, step), raw), DeletionUpdate(conversation_id, 7)])
    writer.store([Failure(conversation_id, "down", 1)])
    take(writer, conversation_id, Step("webhook", None, "done", 2, True), 1)
    row = row_of(writer, conversation_id)
    assert row is not None
    assert (row["status"], row["agent_id"], row["agent_name"]) == ("done", "agent_1", "Ann")
    assert (row["has_audio"], row["deleted_unix_secs"]) == (1, 7)
    assert conversation_id not in {summary.conversation_id for summary in writer.find_unfinished(ALL)}


def test_incomplete_webhook_leaves_a_failure_to_be_fetched_again(writer: ArchiveWriter) -> None:
    conversation_id = f"conv_{next(NUMBERS)}"
    writer.store([Failure(conversation_id, "down", 1)])
    take(writer, conversation_id, Step("webhook", None, "done", 0, True), 0)
    rows = writer._connection.execute("SELECT error FROM failures WHERE conversation_id = ?", (conversation_id,))
    assert rows.fetchall() == [("down",)]


@pytest.fixture(scope="module")
def fake() -> FakeConvAI:
    return FakeConvAI(conversations=40, seed=7)


async def test_harvest_after_webhooks_fetches_only_incomplete_conversations(
    path: Path | str, tmp_path: Path, fake: FakeConvAI
) -> None:
    harvested = tmp_path / "harvested.db"
    async with fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        documents = {each: json.loads(fake.conversations.document(each)) for each in fake.conversations}
        without, *others = [each for each in documents if documents[each]["transcript"]]
        documents[without]["transcript"] = []
        for document in documents.values():
            conversation = Conversation.from_json(json.dumps(document))
            store_conversation(path, conversation, source=client.base_url)
        assert (await harvest(client, harvested)).fetched == 40
        columns = "conversation_id, direction, rating, status, call_successful, transcript_summary"
        assert rows_of(path, f"SELECT {columns} FROM conversations") == rows_of(
            harvested, f"SELECT {columns} FROM conversations"
        )
        counts = dict(rows_of(path, "SELECT conversation_id, message_count FROM conversations"))
        said = {each: sum(bool(turn["message"]) for turn in documents[each]["transcript"]) for each in others}
        assert {each: counts[each] for each in others} == said
        fake.requests.clear()
        report = await harvest(client, path)
        fetched_again = {each.path.rpartition("/")[2] for each in fake.requests("get_conversation")[1:]}
    empty = {each for each in documents if not documents[each]["transcript"]}
    assert report.complete
    assert report.fetched == len(empty)
    assert fetched_again == empty
    with Archive.open(path) as archive:
        assert (
            archive.get(without).transcript == Conversation.from_json(fake.conversations.document(without)).transcript
        )
        assert archive.status().conversations == 40


def rows_of(path: Path | str, query: str) -> list[tuple[Any, ...]]:
    with Archive.open(path) as archive:
        return sorted(archive._connection.execute(query).fetchall(), key=repr)


def test_update_from_a_webhook_is_marked() -> None:
    conversation = Conversation(conversation_id="c", agent_name="Ann", user_message_count=2, agent_message_count=3)
    bare = ConversationSummary(conversation_id="c")
    item = build_update(bare, conversation.to_json(), conversation, from_webhook=True)
    assert isinstance(item, ConversationUpdate)
    assert (item.row["agent_name"], item.row["message_count"]) == ("Ann", 5)
    assert (item.row["summary_json"], item.row["from_webhook"]) == (None, True)
