from __future__ import annotations

from typing import Any

import msgspec
from contract_documents import SCHEMAS, Maker, Schema
from contract_models import ConversationsPage
from hypothesis import given
from hypothesis import strategies as st

from convai_async.errors import DecodeError
from convai_async.models import Conversation, Model, get_decoder

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

FIELDS = ["conversation_id", "transcript", "metadata", "analysis", "tool_results", "type", "result", "status"]


def refusal(model: type[Model], body: bytes) -> DecodeError | None:
    """The decode error of a body, if it has one; any other exception is the test's failure."""
    try:
        get_decoder(model)(body)
    except DecodeError as error:
        return error
    return None


@given(st.binary())
def test_any_bytes_decode_or_raise_decode_error(body: bytes) -> None:
    for model in (Conversation, ConversationsPage):
        error = refusal(model, body)
        assert error is None or error.body == body


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_json_decodes_or_raises_decode_error(document: dict[str, Any]) -> None:
    error = refusal(Conversation, msgspec.json.encode(document))
    assert error is None or error.path.startswith("$")


@given(st.integers(0, 10**9), st.data())
def test_conversation_with_any_replaced_value_decodes_or_raises_decode_error(seed: int, data: st.DataObject) -> None:
    def spoil(_: Schema, made: dict[str, Any]) -> None:
        if made and maker.random.random() < 0.05:
            made[maker.random.choice(list(made))] = data.draw(json_values)

    maker = Maker(seed, edit=spoil)
    document = maker.make(SCHEMAS["GetConversationResponseModel"])
    try:
        made = Conversation.from_json(msgspec.json.encode(document))
    except DecodeError:
        return
    assert Conversation.from_json(msgspec.json.encode(made)) == made


@given(st.integers(0, 10**9))
def test_any_valid_document_decodes(seed: int) -> None:
    document = Maker(seed, optional=0.8).make(SCHEMAS["GetConversationResponseModel"])
    made = Conversation.from_json(msgspec.json.encode(document))
    assert made.conversation_id == document["conversation_id"]
    assert len(made.transcript) == len(document["transcript"])
