"""The official SDK's types have no field, variant or enum value that our models lack."""

from __future__ import annotations

import random
import types
import typing
import warnings
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import contract_models
import msgspec
import pytest

from convai_async import models
from convai_async.models._base import Model, UnknownVariant

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK's own, on import
    import elevenlabs.types as sdk
    import pydantic

if TYPE_CHECKING:
    from collections.abc import Iterator

PAIRS: dict[str, type[Model]] = {
    "GetConversationResponseModel": models.Conversation,
    "GetConversationsPageResponseModel": contract_models.ConversationsPage,
    "GetConversationSummaryResponseModel": models.ConversationSummaryWithMessages,
    "MessagesSearchResponse": contract_models.MessageHitsPage,
    "GetConversationTagsPageResponseModel": contract_models.ConversationTagsPage,
    "ConversationTagResponseModel": models.ConversationTag,
    "GetAgentTopicsResponseModel": contract_models.AgentTopicsPage,
    "ConversationSignedUrlResponseModel": models.SignedUrl,
    "TokenResponseModel": models.WebRTCToken,
    "GetAgentLinkResponseModel": models.AgentLink,
    "GetSipLogMessagesResponse": contract_models.SipMessagesPage,
    "ConvAiFileUploadResponseModel": models.FileUpload,
}

NOT_OURS: dict[str, str] = {
    "TriggeredGuardrailCommonModel.guardrail_details<unknown>": "read as the unknown variant, which keeps it",
}
"""What the SDK has and we do not, and why."""


def parts(annotation: Any) -> Iterator[Any]:
    """Yield what an annotation is made of: the members of unions, the items of collections."""
    if get_origin(annotation) is typing.Annotated or hasattr(annotation, "__metadata__"):
        kind, *notes = get_args(annotation)
        yield from parts(notes[0] if kind is msgspec.Raw else kind)  # an open union of ours, undecoded
    elif get_origin(annotation) in {typing.Union, types.UnionType, list, tuple, dict, typing.Sequence}:
        for member in get_args(annotation):
            yield from parts(member)
    elif annotation not in {type(None), ...}:
        yield annotation


def values_of(annotation: Any) -> set[str]:
    """Return the values that an enum lists."""
    found: set[str] = set()
    for part in parts(annotation):
        if get_origin(part) is typing.Literal:
            found |= {value for value in get_args(part) if isinstance(value, str)}
    return found


def structs_of(annotation: Any) -> Iterator[type[Model]]:
    for part in parts(annotation):
        if isinstance(part, type) and issubclass(part, Model) and not issubclass(part, UnknownVariant):
            yield part


def tag_of(model: type[pydantic.BaseModel]) -> tuple[str, str] | None:
    for name in ("result_type", "type", "branch_reason", "conversation_initiation_source", "step_type", "step"):
        field = model.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is typing.Literal:
            return name, get_args(field.annotation)[0]
    return None


def gaps(theirs: type[pydantic.BaseModel], ours: type[Model], seen: set[Any]) -> Iterator[str]:
    """Yield what of the SDK's type ours lacks."""
    if (theirs, ours) in seen:
        return
    seen.add((theirs, ours))
    hints = get_type_hints(ours, include_extras=True)
    for attribute, field in theirs.model_fields.items():
        name = field.alias or attribute
        place = f"{theirs.__name__}.{name}"
        if name not in hints:
            yield place
            continue
        mine = hints[name]
        missing = values_of(field.annotation) - values_of(mine)
        if missing and values_of(mine):
            yield f"{place}: {sorted(missing)}"
        variants = list(structs_of(mine))
        for inner in parts(field.annotation):
            if not (isinstance(inner, type) and issubclass(inner, pydantic.BaseModel)):
                continue
            tag = tag_of(inner) if len(variants) > 1 else None
            fitting = [each for each in variants if tag is None or getattr(each(), tag[0], None) == tag[1]]
            if not fitting:
                yield f"{place}<{tag[1] if tag else inner.__name__}>"
            elif tag is not None or len(variants) == 1:
                yield from gaps(inner, fitting[0], seen)


@pytest.mark.parametrize("name", PAIRS)
def test_models_have_every_field_variant_and_value_of_the_sdk(name: str) -> None:
    found = set(gaps(getattr(sdk, name), PAIRS[name], set()))
    assert found - NOT_OURS.keys() == set()


def test_documented_exceptions_are_still_missing() -> None:
    found = {gap for name, model in PAIRS.items() for gap in gaps(getattr(sdk, name), model, set())}
    assert found >= NOT_OURS.keys()


def test_comparison_finds_a_missing_field() -> None:
    class Small(Model):
        conversation_id: str

    assert "GetConversationResponseModel.transcript" in set(gaps(sdk.GetConversationResponseModel, Small, set()))


class SdkDocuments:
    """Documents made from the SDK's types, with every field there.

    Args:
        seed: Chooses among variants and values.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def make(self, annotation: Any, depth: int = 0) -> Any:
        """Return a document of a type."""
        origin, arguments = get_origin(annotation), get_args(annotation)
        if hasattr(annotation, "__metadata__"):
            return self.make(arguments[0], depth)
        if origin is typing.Literal:
            return self.random.choice(arguments)
        if origin in {typing.Union, types.UnionType}:
            choices = [each for each in arguments if each not in {type(None), Any}]
            return self.make(self.random.choice(choices), depth) if choices else "anything"
        if origin is not None and issubclass(origin, dict):
            return {"key": self.make(arguments[1], depth + 1)}
        if origin is not None:
            return [] if depth > 12 else [self.make(arguments[0], depth + 1)]
        return self.make_plain(annotation, depth)

    def make_plain(self, annotation: Any, depth: int) -> Any:
        plain: dict[Any, Any] = {str: "text", int: 7, float: 0.5, bool: True, Any: "anything", object: "anything"}
        if annotation in plain:
            return plain[annotation]
        fields = annotation.model_fields.items()
        return {field.alias or name: self.make(field.annotation, depth + 1) for name, field in fields}


def lost(before: Any, after: Any, path: str = "$") -> Iterator[str]:
    """Yield where a document says something that another does not."""
    if isinstance(after, dict) and after.get("raw") == before:
        return  # an unknown variant keeps all of it
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name not in after:
                yield f"{path}.{name}"
            else:
                yield from lost(value, after[name], f"{path}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, pair in enumerate(zip(before, after, strict=True)):
            yield from lost(*pair, f"{path}[{number}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


@pytest.mark.parametrize("name", PAIRS)
def test_documents_of_sdk_types_decode_without_loss(name: str) -> None:
    for seed in range(60):
        document = SdkDocuments(seed).make(getattr(sdk, name))
        decoded = PAIRS[name].from_json(msgspec.json.encode(document))
        # Not by its own method, which for an item of a list would take what is lost from its raw JSON.
        assert list(lost(document, Model.to_builtins(decoded))) == []
        for model in everything_in(decoded):
            unexpected = isinstance(model, UnknownVariant) and not isinstance(model, models.UnknownGuardrailDetails)
            assert not unexpected, f"{model} is known to the SDK"


def everything_in(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Model):
        for name in value.__struct_fields__:
            yield from everything_in(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from everything_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from everything_in(item)
