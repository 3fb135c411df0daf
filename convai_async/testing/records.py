"""What a fake service remembers of a conversation, and what it plans to make of it."""

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
"""What the conversations are about; ``topic_0`` is the first of them."""


class Record(msgspec.Struct):
    """What the fake service remembers of a conversation; the rest is made from it.

    Attributes:
        number: Which one it is; with the seed it decides everything that was said.
        conversation_id: Its id.
        start: When it started, in unix seconds.
        status: As the service names it.
        agent: The index of its agent.
        revision: How often it was analysed anew.
        feedback: The rating that was sent: ``"like"``, ``"dislike"`` or None.
        tag_ids: Its tags.
        parent_id: The conversation that began it, or None.
        done_after: After how many requests for it it is done; None for one that stays as it is.
        given: What a user of the service gave for its documents; None for a made-up one.
        topic_ids: Its topics, if a user gave them.
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


class Plan(msgspec.Struct):
    """What both the summary and the details must agree on."""

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
        """Whether it is a phone call, and which way."""
        return {"twilio": "inbound", "sip_trunk": "outbound"}.get(self.source)


def plan_of(record: Record, seed: int) -> Plan:
    """Return what a conversation is like; its random numbers go on to decide the words."""
    rng = random.Random(f"{seed}/{record.number}")  # noqa: S311 - made-up data
    scenario = rng.choice(SCENARIOS)
    turns = 2 * rng.randint(5, 30) if record.status != "failed" else 2
    outcome = rng.choice(_OUTCOMES)
    if record.given is not None:
        outcome = "success"
    if record.revision:
        outcome = "success" if outcome != "success" else "failure"
    traits = _traits(record) if record.given is None else {"rating": None, "source": "widget"}
    made = {
        "rng": rng,
        "scenario": scenario,
        "turns": turns,
        "duration": turns * SECONDS_PER_TURN + rng.randint(0, 20),
        "outcome": outcome if record.status == "done" else "unknown",
        "source": rng.choice(_SOURCES),
        "rating": rng.choice((None, None, 1, 3, 4, 5)),
        "termination_reason": _TERMINATIONS[record.number % 3] if record.status == "done" else "",
        "branch_id": f"agtbrch_{record.agent}_main",
        "version_id": f"agtvrsn_{record.agent}_1",
    }
    return Plan(**(made | traits))


def has_audio(record: Record) -> bool:
    """Tell whether a conversation has a recording: all but a few of those that are over."""
    if record.given is not None:
        return bool(record.given.get("has_audio", record.status == "done"))
    return record.status == "done" and record.number % 8 != 0


def _traits(record: Record) -> JSON:
    """Return what some conversations have and others do not, so that each filter of the list finds some."""
    number = record.number
    return {
        "branch_id": f"agtbrch_{record.agent}_{'beta' if number % 4 == 3 else 'main'}",  # noqa: PLR2004
        "version_id": f"agtvrsn_{record.agent}_{1 + number % 2}",
        "text_only": number % 16 == 0,
        "product": "speech_engine" if number % 11 == 5 else "agents",  # noqa: PLR2004
        "transferred_to": (record.agent + 1) % len(AGENTS) if number % 5 == 2 else None,  # noqa: PLR2004
        "with_workflow": number % 3 == 0,
        "guardrail": _GUARDRAILS[number // 6 % 2] if number % 6 == 1 and record.status != "failed" else None,
        "procedure_ids": ("proc_verify_identity",) if number % 7 == 3 else (),  # noqa: PLR2004
    }
