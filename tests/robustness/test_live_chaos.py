"""Under faults at any moment, a live conversation gives replies or the client's errors, ends, and leaves nothing.

``LIVE_CHAOS_ROUNDS=3500 pytest tests/robustness/test_live_chaos.py`` injects more than ten thousand faults. By default
there are fewer. ``-rP`` prints the number of faults.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, get_args

import psutil
import pytest
from virtual_time import in_virtual_time

from convai_async import ConvAIClient, ConvAIError
from convai_async.testing import FakeConvAI
from convai_async.testing import faults as http_faults
from convai_async.testing.live import Turn, faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from convai_async.live import LiveConversation
    from convai_async.testing.live import FrameFault

ROUNDS = int(os.environ.get("LIVE_CHAOS_ROUNDS", "100"))
GROUPS = 5
MAX_TOOL_THREADS = 16
VIRTUAL_SECS = 900
"""No conversation takes longer: the sum of all timeouts."""
EVENTS = (
    None,
    "conversation_initiation_metadata",
    "ping",
    "agent_response",
    "agent_chat_response_part",
    "agent_response_complete",
    "audio",
    "client_tool_call",
    "mcp_tool_call",
    "agent_tool_response",
    "interruption",
)
VALUES: tuple[Any, ...] = (None, True, -1, 2**70, 1.5, "", "x", [], [[1]], {}, {"type": "ping"}, "\U0001f600" * 50)
ERROR = {"type": "error", "error_event": {"code": 1002, "error_type": "llm_error", "message": "m"}}


def change_a_field(rng: random.Random) -> FrameFault:
    def edit(event: dict[str, Any]) -> dict[str, Any]:
        fields = next((value for value in event.values() if isinstance(value, dict) and value), event)
        fields[rng.choice(sorted(fields))] = rng.choice(VALUES)
        return event

    return faults.change(edit)


def remove_a_field(rng: random.Random) -> FrameFault:
    return faults.change(lambda event: {name: value for name, value in event.items() if rng.random() < 0.5})


def build_fault(rng: random.Random) -> FrameFault:
    """Return any fault of the fake."""
    kinds = (
        *(faults.drop(end=end) for end in get_args(http_faults.ConnectionEnd)),
        *(faults.cut_frame(share=rng.random(), end=end) for end in get_args(http_faults.ConnectionEnd)),
        faults.silence(),
        faults.close(rng.choice([1000, 1001, 1002, 1008, 1011, 3000, 4300]), rng.choice(["", "reason", "é" * 50])),
        faults.fail(rng.choice([1002, 1008]), "llm_timeout", "The model did not answer"),
        faults.text(rng.choice(["", "{", "null", "[]", "5", '{"type":"ping"}', "[" * 50_000, '{"type":"\\ud800"}'])),
        faults.binary(),
        faults.protocol_error(),
        faults.change(lambda _: None),
        change_a_field(rng),
        remove_a_field(rng),
        faults.insert(ERROR),
        faults.insert({"type": "later", "later": {}}, {"type": "ping", "ping_event": {"event_id": "x"}}),
        faults.insert({"type": "interruption", "interruption_event": {"event_id": rng.randint(0, 9)}}),
        faults.pad(rng.choice([10, 100_000])),
        faults.delay(rng.choice([0.01, 1, 40, 90])),
    )
    return rng.choice(kinds)


async def reply(turn: Turn) -> str:
    found = await turn.call_tool("look_up", {"number": 7})
    await turn.call_tool("fail")
    allowed = await turn.ask_approval("send_mail")
    return f"{found.result} {allowed}"


async def look_up(number: int) -> int:
    await asyncio.sleep(0.01)
    return number


def fail() -> None:
    raise KeyError("fail")


async def talk(client: ConvAIClient, rng: random.Random) -> None:
    """Have a conversation in one of several ways."""
    tools: dict[str, Callable[..., Any]] = {"look_up": look_up, "fail": fail}
    async with (
        client.conversations.connect(
            "agent_1", tools=tools, tool_timeout=5, approve_mcp_tool=lambda _: True, max_buffered_bytes=50_000
        ) as live,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(rng.randint(0, 2)):
            group.create_task(read(live))
        with suppress(ConvAIError):
            await live.ask("Hello", timeout=20)
            await live.ask(bytes(3200), timeout=20)
            await live.send_context("It rains.")
        if rng.random() < 0.5:
            await live.close()
        elif rng.random() < 0.5:
            raise ZeroDivisionError
        else:
            await client.close()


async def read(live: LiveConversation) -> None:
    async for _ in live:
        pass


async def hold(seed: int) -> tuple[int, str]:
    """Hold a conversation under faults; return the number of faults and how it ended."""
    rng = random.Random(seed)
    async with FakeConvAI(conversations=1, seed=seed) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        fake.live.add_agent("agent_1", reply=reply, ping_interval=rng.choice([0.5, 1000]))
        rules = [
            fake.live.faults.add(
                build_fault(rng), event=rng.choice(EVENTS), skip=rng.choice([0, 0, 1, 5]), times=None, rate=rng.random()
            )
            for _ in range(rng.randint(1, 4))
        ]
        if rng.random() < 0.1:
            fake.faults.add(http_faults.drop(), times=None, rate=0.5)
        task = asyncio.create_task(talk(client, rng))
        if rng.random() < 0.3:
            asyncio.get_running_loop().call_later(rng.uniform(0, 3), task.cancel)
        await asyncio.wait([task], timeout=VIRTUAL_SECS)
        assert task.done(), f"seed {seed} hangs"
        try:
            await task
            outcome = "completed"
        except (ConvAIError, ZeroDivisionError, asyncio.CancelledError) as error:
            outcome = type(error).__name__
        except BaseExceptionGroup as errors:
            _, foreign = errors.split((ConvAIError, ZeroDivisionError))
            assert foreign is None, f"seed {seed}: {foreign!r}"
            outcome = "ZeroDivisionError"
        left = [each for each in asyncio.all_tasks() if "convai_async/live" in repr(each)]
        assert left == [], f"seed {seed}"
        fake.live.abort()
    return sum(rule.hits for rule in rules), outcome


@pytest.mark.parametrize("group", range(GROUPS))
@in_virtual_time
async def test_faults_at_any_moment_give_replies_or_errors_and_leave_nothing(group: int) -> None:
    unhandled: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    process = psutil.Process()
    await hold(-1)
    before = (process.num_fds(), threading.active_count())
    hits, outcomes = 0, Counter[str]()
    for seed in range(group, ROUNDS, GROUPS):
        new, outcome = await hold(seed)
        hits += new
        outcomes[outcome] += 1
        assert len(asyncio.all_tasks()) == 1, f"seed {seed}"
    gc.collect()
    assert unhandled == []
    assert process.num_fds() <= before[0] + 1
    assert threading.active_count() <= before[1] + MAX_TOOL_THREADS, "threads of tools are used again"
    print(f"{hits} faults, {dict(outcomes)}")
