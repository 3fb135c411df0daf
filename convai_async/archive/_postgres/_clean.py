"""Values that SQLite can hold and PostgreSQL cannot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from convai_async.archive._records import ConversationUpdate

_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def clean_text(text: str) -> str:
    """Return a text with U+FFFD for each NUL, also for an escaped one in JSON, since JSON functions refuse that."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    is_json = text.startswith(("{", "[")) and r"\u0000" in text
    return _ESCAPED_NUL.sub(r"\1\\ufffd", text) if is_json else text


def clean_update(update: ConversationUpdate) -> ConversationUpdate:
    """Return a conversation whose columns PostgreSQL can hold; its document stays as it is."""
    row = update.row
    if not any(_may_contain_nul(data) for data in (row["raw"], row.get("summary_json") or b"")):
        return update
    return msgspec.structs.replace(
        update,
        conversation_id=clean_text(update.conversation_id),
        row={name: _clean(value) for name, value in row.items()},
        turns=tuple(map(_clean, update.turns)),
        tool_calls=tuple(map(_clean, update.tool_calls)),
        facts=tuple(tuple(map(_clean, values)) for values in update.facts),
    )


def _may_contain_nul(data: bytes) -> bool:
    return b"\\u0000" in data or b"\0" in data


def _clean(value: Any) -> Any:
    return clean_text(value) if isinstance(value, str) else value
