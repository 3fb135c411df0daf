"""Messages of the client are encoded as the service expects them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from convai_async import InvalidArgumentError
from convai_async.live import messages
from convai_async.live._connect import build_initiation
from convai_async.live.messages import Message, encode_audio, encode_message
from convai_async.models import AgentOverride, ConfigOverride, InitiationData, PromptOverride, TTSOverride


@pytest.mark.parametrize(
    ("message", "document"),
    [
        (messages.Pong(event_id=3), {"type": "pong", "event_id": 3}),
        (messages.UserMessage(text="Hi"), {"type": "user_message", "text": "Hi"}),
        (messages.UserMessage(text=None), {"type": "user_message", "text": None}),
        (messages.UserMessage(rich_content_id="r"), {"type": "user_message", "rich_content_id": "r"}),
        (messages.UserActivity(), {"type": "user_activity"}),
        (messages.Feedback(event_id="e", score=None), {"type": "feedback", "event_id": "e", "score": None}),
        (
            messages.ClientToolResult(tool_call_id="a", result="", is_error=False),
            {"type": "client_tool_result", "tool_call_id": "a", "result": "", "is_error": False},
        ),
        (
            messages.MCPToolApproval(tool_call_id="a", is_approved=False),
            {"type": "mcp_tool_approval_result", "tool_call_id": "a", "is_approved": False},
        ),
        (messages.ContextualUpdate(text="x"), {"type": "contextual_update", "text": "x"}),
        (
            messages.MultimodalMessage(
                text=messages.MultimodalText(text="See"), files=(messages.FileInput(file_id="f"),)
            ),
            {
                "type": "multimodal_message",
                "text": {"type": "user_message", "text": "See"},
                "files": [{"type": "file_input", "file_id": "f"}],
            },
        ),
    ],
)
def test_message_is_encoded(message: Message, document: dict[str, Any]) -> None:
    assert json.loads(encode_message(message)) == document


def test_audio_has_no_type() -> None:
    assert json.loads(encode_audio(b"\0\1\2")) == {"user_audio_chunk": "AAEC"}


def initiation_of(**options: Any) -> Any:
    known: dict[str, Any] = {"initiation": None, "text_only": None, "overrides": None, **options}
    return json.loads(build_initiation(known.pop("initiation"), **known))


def test_initiation_has_only_what_was_given() -> None:
    assert initiation_of(user_id=None) == {"type": "conversation_initiation_client_data"}


def test_initiation_of_models_leaves_out_defaults() -> None:
    overrides = ConfigOverride(agent=AgentOverride(first_message="", prompt=PromptOverride(tool_ids=("a",))))
    assert initiation_of(overrides=overrides, text_only=True) == {
        "type": "conversation_initiation_client_data",
        "conversation_config_override": {
            "agent": {"first_message": "", "prompt": {"tool_ids": ["a"]}},
            "conversation": {"text_only": True},
        },
    }


def test_arguments_take_precedence_over_the_initiation() -> None:
    initiation = InitiationData(
        user_id="a",
        procedure_ids=("p",),
        dynamic_variables={"n": 1},
        conversation_config_override=ConfigOverride(tts=TTSOverride(speed=1.1, voice_id="v")),
    )
    document = initiation_of(
        initiation=initiation,
        user_id="b",
        dynamic_variables={"m": None},
        overrides={"tts": {"voice_id": None}, "conversation": {"client_events": []}},
        text_only=False,
    )
    assert document == {
        "type": "conversation_initiation_client_data",
        "user_id": "b",
        "procedure_ids": ["p"],
        "dynamic_variables": {"m": None},
        "conversation_config_override": {
            "tts": {"speed": 1.1, "voice_id": None},
            "conversation": {"client_events": [], "text_only": False},
        },
    }


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("initiation", {"initiation": 1}),
        ("initiation", {"initiation": ConfigOverride()}),
        ("overrides", {"overrides": "x"}),
        ("overrides", {"overrides": InitiationData()}),
        ("dynamic_variables", {"dynamic_variables": ["a"]}),
        ("text_only", {"text_only": "yes"}),
        ("initiation", {"dynamic_variables": {"a": object()}}),
        ("initiation", {"dynamic_variables": {"a": "\ud800"}}),
    ],
)
def test_invalid_settings_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        initiation_of(**options)
    assert caught.value.parameter == name
