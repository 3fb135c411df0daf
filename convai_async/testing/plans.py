"""Stored conversations, and the plans from which their documents are generated."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from convai_async.testing.scenarios import SCENARIOS, Scenario

JSON = dict[str, Any]

AGENTS = (
    ("agent_front_desk", "Front desk"),
    ("agent_billing", "Billing"),
    ("agent_night_shift", "Night shift"),
)
_OUTCOMES = ("success", "success", "success", "success", "failure", "unknown")
_SOURCES = ("widget", "twilio", "sip_trunk", "react_sdk", "python_sdk", "whatsapp")
_TERMINATIONS = ("end_call tool was called", "Client disconnected: 1000", "Call ended by remote party")
_GUARDRAILS: tuple[JSON, ...] = (
    {
        "guardrail_type": "custom",
        "guardrail_name": "No promises about refunds",
        "execution_mode": "blocking",
        "guardrail_details": {"type": "llm", "rationale": "The agent promised a refund before it found the order."},
    },
    {
        "guardrail_type": "profanity",
        "guardrail_name": None,
        "execution_mode": "streaming",
        "guardrail_details": {"type": "classifier", "score": 0.91, "threshold": 0.8},
    },
)
SECONDS_PER_TURN = 6

TOPICS = tuple(sorted({scenario.topic for scenario in SCENARIOS}))
"""The topics of generated conversations; ``topic_0`` is the first."""


class StoredConversation(msgspec.Struct):
    """The state of one conversation; its documents are generated from it.

    Attributes:
        number: Its number, which seeds the generated data together with the service's seed.
        conversation_id: Its id.
        start: The start in Unix seconds.
        status: The status, such as ``"done"``.
        agent: The index of its agent in `AGENTS`.
        revision: How often the analysis was run again.
        feedback: The rating, ``"like"``, ``"dislike"`` or None.
        tag_ids: The ids of its tags.
        parent_id: The id of the parent conversation, or None.
        done_after: The number of requests for the details after which the status becomes ``"done"``, or None.
        given: The fields that were passed to `FakeConvAI.add`; None for a generated conversation.
        topic_ids: The topic ids that were passed to `FakeConvAI.add`, or None.
        exact: Fields that replace those of the document whole.
    """

    number: int
    conversation_id: str
    start: int
    status: str
    agent: int
    revision: int = 0
    feedback: str | None = None
    tag_ids: list[str] = msgspec.field(default_factory=list)
    parent_id: str | None = None
    done_after: int | None = None
    given: JSON | None = None
    topic_ids: tuple[str, ...] | None = None
    exact: JSON = msgspec.field(default_factory=dict)


class ConversationPlan(msgspec.Struct):
    """The properties that a conversation's summary and details share."""

    rng: random.Random
    scenario: Scenario
    turns: int
    duration: int
    outcome: str
    source: str
    rating: int | None
    termination_reason: str
    branch_id: str
    version_id: str
    text_only: bool = False
    product: str = "agents"
    transferred_to: int | None = None
    with_workflow: bool = False
    guardrail: JSON | None = None
    procedure_ids: tuple[str, ...] = ()

    @property
    def direction(self) -> str | None:
        """The direction of a phone call; None for other conversations."""
        return {"twilio": "inbound", "sip_trunk": "outbound"}.get(self.source)


def build_plan(stored: StoredConversation, seed: int) -> ConversationPlan:
    """Build the plan of a conversation; its random generator continues with the documents."""
    rng = random.Random(f"{seed}/{stored.number}")  # noqa: S311 - not for security
    scenario = rng.choice(SCENARIOS)
    turns = 2 * rng.randint(5, 30) if stored.status != "failed" else 2
    outcome = rng.choice(_OUTCOMES)
    if stored.given is not None:
        outcome = "success"
    if stored.revision:
        outcome = "success" if outcome != "success" else "failure"
    traits = _choose_traits(stored) if stored.given is None else {"rating": None, "source": "widget"}
    plan = {
        "rng": rng,
        "scenario": scenario,
        "turns": turns,
        "duration": turns * SECONDS_PER_TURN + rng.randint(0, 20),
        "outcome": outcome if stored.status == "done" else "unknown",
        "source": rng.choice(_SOURCES),
        "rating": rng.choice((None, None, 1, 3, 4, 5)),
        "termination_reason": _TERMINATIONS[stored.number % 3] if stored.status == "done" else "",
        "branch_id": f"agtbrch_{stored.agent}_main",
        "version_id": f"agtvrsn_{stored.agent}_1",
    }
    return ConversationPlan(**(plan | traits))


def has_audio(stored: StoredConversation) -> bool:
    """Return whether a conversation has a recording: most of those that are done."""
    if stored.given is not None:
        return bool(stored.given.get("has_audio", stored.status == "done"))
    return stored.status == "done" and stored.number % 8 != 0


def _choose_traits(stored: StoredConversation) -> JSON:
    """Choose the traits that only some conversations have, so that every list filter finds some of them."""
    number = stored.number
    return {
        "branch_id": f"agtbrch_{stored.agent}_{'beta' if number % 4 == 3 else 'main'}",  # noqa: PLR2004
        "version_id": f"agtvrsn_{stored.agent}_{1 + number % 2}",
        "text_only": number % 16 == 0,
        "product": "speech_engine" if number % 11 == 5 else "agents",  # noqa: PLR2004
        "transferred_to": (stored.agent + 1) % len(AGENTS) if number % 5 == 2 else None,  # noqa: PLR2004
        "with_workflow": number % 3 == 0,
        "guardrail": _GUARDRAILS[number // 6 % 2] if number % 6 == 1 and stored.status != "failed" else None,
        "procedure_ids": ("proc_verify_identity",) if number % 7 == 3 else (),  # noqa: PLR2004
    }
