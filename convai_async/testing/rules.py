"""Decides which requests have which fault."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from convai_async.testing.faults import PASSING, Fault
from convai_async.testing.operations import check_operation

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.faults import Proceed


class Rule(msgspec.Struct, kw_only=True, eq=False):
    """Which requests a fault hits.

    Attributes:
        fault: What happens to them.
        operation: Only requests of this operation, such as ``"get_conversation"``; None is any.
        path: Only requests whose path holds this text; None is any.
        times: How many more requests it hits; None is all of them.
        rate: The share of the requests that it hits, 0 to 1.
        hits: How many requests it has hit.
    """

    fault: Fault
    operation: str | None = None
    path: str | None = None
    times: int | None = 1
    rate: float = 1.0
    hits: int = 0


class Faults:
    """The faults of a fake service; the first rule that matches a request applies.

    Args:
        seed: Decides which requests a rate hits.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a test's dice
        self._rules: list[Rule] = []

    def add(
        self,
        fault: Fault,
        *,
        operation: str | None = None,
        path: str | None = None,
        times: int | None = 1,
        rate: float = 1.0,
    ) -> Rule:
        """Add a fault and return its rule, which counts the hits.

        ::

            rule = fake.faults.add(faults.status(503), operation="get_conversation", path=conversation_id, times=2)
            await client.conversations.get(conversation_id)
            assert rule.hits == 2

        Args:
            fault: What happens.
            operation: Only to requests of this operation; None is any.
            path: Only to requests whose path holds this text; None is any.
            times: To how many requests; None is all of them.
            rate: To which share of them, 0 to 1.

        Raises:
            ValueError: There is no such operation.
        """
        if operation is not None:
            check_operation(operation)
        rule = Rule(fault=fault, operation=operation, path=path, times=times, rate=rate)
        self._rules.append(rule)
        return rule

    def add_random(self, rate: float) -> Rule:
        """Add a random mix of the faults that a client can retry, to this share of all requests.

        ::

            rule = fake.faults.add_random(0.3)
            await client.conversations.list().collect()
        """

        async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
            return await self._rng.choice(PASSING)(request, proceed)

        return self.add(answer, times=None, rate=rate)

    def clear(self) -> None:
        """Remove every fault."""
        self._rules.clear()

    def pick(self, operation: str, path: str) -> Fault | None:
        """Return the fault that hits a request, or None."""
        for rule in self._rules:
            if (
                rule.times != 0
                and rule.operation in {None, operation}
                and (rule.path is None or rule.path in path)
                and (rule.rate >= 1 or self._rng.random() < rule.rate)
            ):
                rule.hits += 1
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
        return None
