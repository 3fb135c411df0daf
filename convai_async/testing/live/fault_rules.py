"""Decides which events of live conversations a fault hits."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from convai_async.testing.live.conversation import FakeConversation

JSON = dict[str, Any]

FrameFault = Callable[[FakeConversation, JSON], Awaitable[None]]
"""Does something else than to send an event."""


class FrameRule(msgspec.Struct, kw_only=True, eq=False):
    """A fault and the events that it hits.

    Attributes:
        fault: The fault.
        event: Only events of this type, such as ``"agent_response"``; None for any.
        skip: The number of such events that are sent before it hits.
        times: The number of events that it still hits; None for no limit.
        rate: The fraction of the events that it hits, 0 to 1.
        hits: The number of events that it has hit.
    """

    fault: FrameFault
    event: str | None
    skip: int
    times: int | None
    rate: float
    hits: int = 0


class FrameFaults:
    """The faults of live conversations. The first rule that matches an event applies.

    Args:
        seed: The seed for rates.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - not for security
        self._rules: list[FrameRule] = []

    def add(
        self,
        fault: FrameFault,
        *,
        event: str | None = None,
        skip: int = 0,
        times: int | None = 1,
        rate: float = 1.0,
    ) -> FrameRule:
        """Add a fault, by default for the next event, and return its rule, which counts the hits.

        ::

            rule = fake.live.faults.add(live.faults.drop(), event="agent_response", skip=1)

        Args:
            fault: The fault, made by a function of `convai_async.testing.live.faults`.
            event: Only hit events of this type; None for any.
            skip: The number of such events to send before it hits.
            times: The number of events to hit; None for no limit.
            rate: The fraction of the events to hit, 0 to 1.
        """
        rule = FrameRule(fault=fault, event=event, skip=skip, times=times, rate=rate)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove all faults."""
        self._rules.clear()

    def pick(self, event: str) -> FrameFault | None:
        """Return the fault that hits an event of this type, or None."""
        for rule in self._rules:
            if rule.times == 0 or rule.event not in {None, event}:
                continue
            if rule.skip > 0:
                rule.skip -= 1
            elif rule.rate >= 1 or self._rng.random() < rule.rate:
                rule.hits += 1
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
        return None
