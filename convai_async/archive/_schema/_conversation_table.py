"""The table ``conversations``."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.archive._schema._json_text import encode_value
from convai_async.archive._schema._table import Column, Table
from convai_async.models import FeatureStatus, UnknownPhoneCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.models import Conversation


def _read_from_analysis(name: str) -> Callable[[Conversation], Any]:
    def read(conversation: Conversation) -> Any:
        return None if conversation.analysis is None else getattr(conversation.analysis, name)

    return read


def _count_messages(conversation: Conversation) -> int | None:
    said = sum(map(bool, map(_get_message, conversation.transcript)))
    counted = (conversation.user_message_count or 0) + (conversation.agent_message_count or 0)
    return said or counted or None  # a webhook can leave the transcript out


def _read_direction(conversation: Conversation) -> Any:
    metadata = conversation.metadata
    carriers = (metadata.phone_call, metadata.whatsapp, metadata.sms)
    return next((found for each in carriers if (found := getattr(each, "direction", None))), None)


def _read_from_phone_call(name: str) -> Callable[[Conversation], Any]:
    def read(conversation: Conversation) -> Any:
        return getattr(conversation.metadata.phone_call, name, None)

    return read


def _read_agent_number(conversation: Conversation) -> Any:
    metadata = conversation.metadata
    number = getattr(metadata.phone_call, "agent_number", None)
    return metadata.sms.agent_phone_number if number is None and metadata.sms is not None else number


def _read_external_number(conversation: Conversation) -> Any:
    metadata = conversation.metadata
    number = getattr(metadata.phone_call, "external_number", None)
    return metadata.sms.sms_user_phone_number if number is None and metadata.sms is not None else number


def _read_phone_call_type(conversation: Conversation) -> Any:
    call = conversation.metadata.phone_call
    return call.tag if isinstance(call, UnknownPhoneCall) else getattr(call, "type", None)


def _read_from_error(name: str) -> Callable[[Conversation], Any]:
    def read(conversation: Conversation) -> Any:
        return getattr(conversation.metadata.error, name, None)

    return read


def _read_turn_metrics(conversation: Conversation) -> str | None:
    turns = conversation.transcript
    found: dict[str, list[float | None]] = {}
    for position, measured in enumerate(map(_get_turn_metrics, turns)):
        if measured is not None:
            for name, metric in measured.metrics.items():
                try:
                    found[name][position] = metric.elapsed_time
                except KeyError:
                    found[name] = [None] * len(turns)
                    found[name][position] = metric.elapsed_time
    return encode_value(found) if found else None


def _read_dynamic_variables(conversation: Conversation) -> str | None:
    variables = conversation.conversation_initiation_client_data.dynamic_variables
    return encode_value(variables) if variables else None


def _read_features(conversation: Conversation) -> str | None:
    usage = conversation.metadata.features_usage
    found: dict[str, Any] = {}
    for prefix, features in (("", usage), ("workflow.", usage.workflow), ("agent_testing.", usage.agent_testing)):
        for name, value in zip(features.__struct_fields__, msgspec.structs.astuple(features), strict=True):
            if value is True:
                found[prefix + name] = _ENABLED
            elif type(value) is FeatureStatus and (value.enabled or value.used):
                found[prefix + name] = value
    return encode_value(found) if found else None


_ENABLED = {"enabled": True}
_get_message = attrgetter("message")
_get_turn_metrics = attrgetter("conversation_turn_metrics")

CONVERSATIONS = Table(
    "conversations",
    "One row for each conversation.",
    (
        Column(
            "conversation_id",
            "TEXT PRIMARY KEY",
            "The conversation's id.",
            "string",
            read_summary="conversation_id",
        ),
        Column("agent_id", "TEXT", "The agent's id.", "string", "agent_id", "agent_id"),
        Column(
            "agent_name",
            "TEXT",
            "The agent's name.",
            "string",
            "agent_name",
            "agent_name",
            prefer_summary=True,
        ),
        Column("user_id", "TEXT", "The user's id, if the application set one.", "string", "user_id"),
        Column(
            "status",
            "TEXT",
            "The status; 'done' and 'failed' are final.",
            "string",
            "status",
            "status",
        ),
        Column(
            "start_time_unix_secs",
            "INTEGER",
            "The start time.",
            "timestamp",
            "metadata.start_time_unix_secs",
            "start_time_unix_secs",
        ),
        Column(
            "call_duration_secs",
            "INTEGER",
            "The duration in seconds.",
            "int64",
            "metadata.call_duration_secs",
            "call_duration_secs",
        ),
        Column(
            "message_count",
            "INTEGER",
            "The number of messages.",
            "int64",
            _count_messages,
            "message_count",
            prefer_summary=True,
        ),
        Column(
            "call_successful",
            "TEXT",
            "The result of the success evaluation: 'success', 'failure' or 'unknown'.",
            "string",
            _read_from_analysis("call_successful"),
            "call_successful",
        ),
        Column(
            "direction",
            "TEXT",
            "'inbound' or 'outbound', for phone calls and messages.",
            "string",
            _read_direction,
            "direction",
            prefer_summary=True,
        ),
        Column(
            "rating",
            "REAL",
            "The user's rating.",
            "float64",
            "metadata.feedback.rating",
            "rating",
            prefer_summary=True,
        ),
        Column("cost", "INTEGER", "The cost in credits.", "int64", "metadata.cost"),
        Column("main_language", "TEXT", "The main language.", "string", "metadata.main_language"),
        Column("termination_reason", "TEXT", "The reason why it ended.", "string", "metadata.termination_reason"),
        Column(
            "call_summary_title",
            "TEXT",
            "The generated title.",
            "string",
            _read_from_analysis("call_summary_title"),
            "call_summary_title",
        ),
        Column(
            "transcript_summary",
            "TEXT",
            "The generated summary.",
            "string",
            _read_from_analysis("transcript_summary"),
            "transcript_summary",
        ),
        Column(
            "has_audio",
            "INTEGER NOT NULL",
            "1 if the service has, or had, a recording.",
            "bool",
            "has_audio",
            lambda _: False,
        ),
        Column("branch_id", "TEXT", "The branch of the agent.", "string", "branch_id", since=5),
        Column("version_id", "TEXT", "The version of the agent.", "string", "version_id", since=5),
        Column(
            "environment", "TEXT", "The environment whose variables the agent used.", "string", "environment", since=5
        ),
        Column("agent_number", "TEXT", "The phone number of the agent.", "string", _read_agent_number, since=5),
        Column("external_number", "TEXT", "The phone number of the user.", "string", _read_external_number, since=5),
        Column(
            "call_sid",
            "TEXT",
            "The phone provider's id of the call.",
            "string",
            _read_from_phone_call("call_sid"),
            since=5,
        ),
        Column(
            "phone_call_type",
            "TEXT",
            "The phone provider, such as 'twilio' or 'sip_trunking'.",
            "string",
            _read_phone_call_type,
            since=5,
        ),
        Column(
            "authorization_method",
            "TEXT",
            "How the client was authorized.",
            "string",
            "metadata.authorization_method",
            since=5,
        ),
        Column(
            "conversation_initiation_source",
            "TEXT",
            "How it was started, such as 'widget' or 'twilio'.",
            "string",
            "metadata.conversation_initiation_source",
            since=5,
        ),
        Column("text_only", "INTEGER", "1 for a text conversation.", "bool", "metadata.text_only", since=5),
        Column(
            "accepted_time_unix_secs",
            "INTEGER",
            "When it was accepted.",
            "timestamp",
            "metadata.accepted_time_unix_secs",
            since=5,
        ),
        Column(
            "queue_wait_secs",
            "REAL",
            "How long it waited in the queue.",
            "float64",
            "metadata.queue_wait_secs",
            since=5,
        ),
        Column(
            "cost_fiat",
            "REAL",
            "The cost of models and platform in US dollars.",
            "float64",
            "metadata.cost_fiat",
            since=5,
        ),
        Column(
            "call_charge",
            "INTEGER",
            "The charge for the call in credits.",
            "int64",
            "metadata.charging.call_charge",
            since=5,
        ),
        Column(
            "llm_charge",
            "INTEGER",
            "The charge for the language models in credits.",
            "int64",
            "metadata.charging.llm_charge",
            since=5,
        ),
        Column(
            "llm_price",
            "REAL",
            "The price of the language models in US dollars.",
            "float64",
            "metadata.charging.llm_price",
            since=5,
        ),
        Column("tier", "TEXT", "The subscription that was charged.", "string", "metadata.charging.tier", since=5),
        Column(
            "error_code",
            "INTEGER",
            "The code of the error that ended it; else null.",
            "int64",
            _read_from_error("code"),
            since=5,
        ),
        Column(
            "error_reason",
            "TEXT",
            "The reason of the error that ended it; else null.",
            "string",
            _read_from_error("reason"),
            since=5,
        ),
        Column("likes", "INTEGER", "How many likes the user gave.", "int64", "metadata.feedback.likes", since=5),
        Column(
            "dislikes", "INTEGER", "How many dislikes the user gave.", "int64", "metadata.feedback.dislikes", since=5
        ),
        Column("comment", "TEXT", "The user's comment.", "string", "metadata.feedback.comment", since=5),
        Column("raw_is_utf8", "INTEGER NOT NULL DEFAULT 0", "1 if raw is UTF-8, as JSON has to be.", "bool", since=5),
        Column(
            "turn_metrics",
            "TEXT",
            "The measured durations, JSON: by name, a list with that of each turn or null. See the view turn_metrics.",
            "string",
            _read_turn_metrics,
            since=5,
        ),
        Column(
            "dynamic_variables",
            "TEXT",
            "The dynamic variables that it started with, JSON.",
            "string",
            _read_dynamic_variables,
            since=5,
        ),
        Column("features", "TEXT", "The features that were enabled or used, JSON.", "string", _read_features, since=5),
        Column("fetched_unix_secs", "INTEGER NOT NULL", "The time at which it was fetched.", "timestamp"),
        Column("decode_error", "TEXT", "The error if raw could not be decoded into the columns; else null.", "string"),
        Column("raw", "BLOB NOT NULL", "The service's JSON, byte for byte."),
        Column(
            "summary_json",
            "BLOB",
            "Its entry in the list when it was fetched, JSON; null if it did not come from the list.",
        ),
        Column(
            "deleted_unix_secs",
            "INTEGER",
            "The time at which it was found to be deleted at the service; else null.",
            "timestamp",
        ),
        Column(
            "no_audio_unix_secs",
            "INTEGER",
            "The time at which the service was found to have no recording; else null.",
            "timestamp",
        ),
        Column("from_webhook", "INTEGER NOT NULL DEFAULT 0", "1 if raw came from a webhook.", "bool"),
    ),
    statements=(
        "CREATE INDEX conversations_by_start ON conversations (start_time_unix_secs);",
        "CREATE INDEX conversations_by_agent ON conversations (agent_id, start_time_unix_secs);",
    ),
)
