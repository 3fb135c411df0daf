"""Read a conversation with everything that its page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from convai_async.archive._connection import Connection

T = TypeVar("T", bound=msgspec.Struct)


class Recording(msgspec.Struct, frozen=True):
    """A recording: columns of the archive's table ``audio``."""

    path: str
    size: int
    content_type: str


class ToolCall(msgspec.Struct, frozen=True):
    """A tool call with its result: columns of the archive's table ``tool_calls``."""

    turn_position: int
    tool_name: str | None
    type: str | None
    params_as_json: str | None
    result_value: str | None
    is_error: bool | None
    tool_latency_secs: float | None
    result_type: str | None
    transfer_target: str | None


class TurnMetric(msgspec.Struct, frozen=True):
    """A measured duration of a turn."""

    turn_position: int
    metric: str
    elapsed_secs: float


class Retrieval(msgspec.Struct, frozen=True):
    """A search of the knowledge base: columns of the archive's table ``rag_retrievals``."""

    turn_position: int
    query: str | None
    latency_secs: float | None
    chunks: str


class Turn(msgspec.Struct, frozen=True):
    """A turn: columns of the archive's table ``turns``, and everything that belongs to it."""

    position: int
    role: str | None
    message: str | None
    time_in_call_secs: int | None
    interrupted: bool
    original_message: str | None
    producing_llm: str | None
    source_medium: str | None
    feedback: str | None
    tool_calls: list[ToolCall] = []
    metrics: list[TurnMetric] = []
    retrievals: list[Retrieval] = []


class Evaluation(msgspec.Struct, frozen=True):
    """A result of an evaluation criterion: columns of the archive's table ``evaluation_results``."""

    criteria_id: str | None
    result: str | None
    rationale: str | None
    score: int | None
    max_score: int | None


class CollectedValue(msgspec.Struct, frozen=True):
    """A value that was collected: columns of the archive's table ``data_collection_results``."""

    data_collection_id: str | None
    value: str | None
    rationale: str | None


class ModelUsage(msgspec.Struct, frozen=True):
    """The tokens of a language model: columns of the archive's table ``llm_usage``."""

    model: str
    category: str
    tokens: int | None
    price: float | None


class Variable(msgspec.Struct, frozen=True):
    """A dynamic variable."""

    name: str
    value: str | None


class ConversationDetails(msgspec.Struct, frozen=True):
    """A conversation: columns of the archive's table ``conversations``, and the rows of the other tables."""

    conversation_id: str
    agent_id: str | None
    agent_name: str | None
    user_id: str | None
    status: str | None
    start_time_unix_secs: int | None
    call_duration_secs: int | None
    message_count: int | None
    call_successful: str | None
    direction: str | None
    rating: float | None
    comment: str | None
    likes: int | None
    dislikes: int | None
    main_language: str | None
    termination_reason: str | None
    error_code: int | None
    error_reason: str | None
    call_summary_title: str | None
    transcript_summary: str | None
    branch_id: str | None
    version_id: str | None
    environment: str | None
    agent_number: str | None
    external_number: str | None
    phone_call_type: str | None
    conversation_initiation_source: str | None
    queue_wait_secs: float | None
    cost: int | None
    cost_fiat: float | None
    call_charge: int | None
    llm_charge: int | None
    llm_price: float | None
    tier: str | None
    fetched_unix_secs: int
    deleted_unix_secs: int | None
    decode_error: str | None
    turns: list[Turn] = []
    evaluations: list[Evaluation] = []
    collected: list[CollectedValue] = []
    usage: list[ModelUsage] = []
    variables: list[Variable] = []
    tags: list[str] = []
    recording: Recording | None = None


def read_conversation(connection: Connection, conversation_id: str) -> ConversationDetails | None:
    """Return a conversation, or None if the archive does not have it."""
    found = _read(connection, ConversationDetails, "conversations", conversation_id)
    if not found:
        return None

    def read(kind: type[T], table: str, order: str) -> list[T]:
        return _read(connection, kind, table, conversation_id, order)

    return msgspec.structs.replace(
        found[0],
        turns=_read_turns(connection, conversation_id),
        evaluations=read(Evaluation, "evaluation_results", "criteria_id"),
        collected=read(CollectedValue, "data_collection_results", "data_collection_id"),
        usage=read(ModelUsage, "llm_usage", "model, category"),
        variables=read(Variable, "dynamic_variables", "name"),
        tags=[each.tag_id for each in read(_Tag, "tags", "tag_id")],
        recording=read_recording(connection, conversation_id),
    )


def read_recording(connection: Connection, conversation_id: str) -> Recording | None:
    """Return the recording of a conversation, or None if the archive does not have it."""
    found = _read(connection, Recording, "audio", conversation_id)
    return found[0] if found else None


class _Tag(msgspec.Struct, frozen=True):
    tag_id: str


def _read_turns(connection: Connection, conversation_id: str) -> list[Turn]:
    turns = _read(connection, Turn, "turns", conversation_id, "position")
    by_position = {turn.position: turn for turn in turns}
    for kind, table, order, attribute in (
        (ToolCall, "tool_calls", "position", "tool_calls"),
        (TurnMetric, "turn_metrics", "turn_position, metric", "metrics"),
        (Retrieval, "rag_retrievals", "turn_position", "retrievals"),
    ):
        for row in _read(connection, kind, table, conversation_id, order):
            turn = by_position.get(row.turn_position)  # type: ignore[attr-defined]
            if turn is not None:
                getattr(turn, attribute).append(row)
    return turns


def _read(
    connection: Connection, kind: type[T], table: str, conversation_id: str, order: str = "conversation_id"
) -> list[T]:
    """Return the rows of a conversation in a table; the columns are the fields of a Struct that have no default."""
    names = kind.__struct_fields__[: len(kind.__struct_fields__) - len(kind.__struct_defaults__)]
    rows: Any = connection.execute(
        f"SELECT {', '.join(names)} FROM {table} WHERE conversation_id = ? ORDER BY {order}",  # noqa: S608
        (conversation_id,),
    )
    return [msgspec.convert(dict(zip(names, row, strict=True)), kind, strict=False) for row in rows]
