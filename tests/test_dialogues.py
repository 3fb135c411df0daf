from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from virtual_time import in_virtual_time

from convai_async import ConvAIClient, ConversationClosedError, ConversationRefusedError, InvalidArgumentError
from convai_async.dialogues import Dialogue, run_dialogues
from convai_async.errors import ReplyTimeoutError
from convai_async.testing import FakeConvAI
from convai_async.testing.live import events
from convai_async.testing.live.audio import FORMATS, build_tone

if TYPE_CHECKING:
    from convai_async.testing.live import Turn


async def test_results_have_the_replies_tools_and_end_of_each_dialogue(fake: FakeConvAI, client: ConvAIClient) -> None:
    has_said_bye = asyncio.Event()
    last_turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()

    async def reply(turn: Turn) -> str | None:
        if turn.text == "Goodbye!":
            await turn.say("Bye!")
            await turn.send(events.build_response_complete(turn.event_id))
            has_said_bye.set()
            await (await last_turn).conversation.wait_until(lambda each: each.closed)  # long after the reply
            await turn.end_call()
            return None
        if turn.text == "And now?":
            await has_said_bye.wait()
            last_turn.set_result(turn)
        order = await turn.call_tool("lookup_order", {"number": 7})
        await turn.call_tool("log", expects_response=False)
        stock_id = f"call_{turn.event_id}"
        await turn.send(events.build_tool_response("check_stock", stock_id, "webhook", turn.event_id, is_error=False))
        return f"Your order: {order.result}."

    fake.live.add_agent("agent_1", reply=reply, first_message="Hello {{name}}!")
    variables = {"name": "Ann"}
    results = await run_dialogues(
        client,
        "agent_1",
        [
            Dialogue(
                name="found",
                turns=["Where is it?", "And now?"],
                tools={"lookup_order": lambda number: f"{number} is late", "log": lambda: None},
                dynamic_variables=variables,
            ),
            Dialogue(name="end", turns=["Where is it?", "Goodbye!"], dynamic_variables=variables, wait_for_end=True),
        ],
    )
    found, end = results.values()
    assert [result.name for result in (found, end)] == list(results) == ["found", "end"]
    assert [each.text for each in found.replies] == ["Your order: 7 is late."] * 2
    assert [(call.tool_name, call.parameters) for call in found.tool_calls[:2]] == [
        ("lookup_order", {"number": 7}),
        ("log", {}),
    ]
    assert found.tool_names == ("lookup_order", "log", "check_stock") * 2
    assert found.replies[0].latency_secs > 0
    assert found.conversation_id in fake.conversations
    assert found.closed is not None
    assert found.closed.ended_by == "client"
    assert "There is no tool 'lookup_order'." in end.replies[0].text
    assert end.tool_names == ("lookup_order", "log", "check_stock")
    assert end.closed is not None
    assert end.closed.ended_by == "agent"
    assert (found.error, end.error) == (None, None)


@in_virtual_time
async def test_error_ends_its_dialogue_only() -> None:
    async def reply(turn: Turn) -> str:
        if turn.text == "Close!":
            await turn.conversation.close()
        if turn.text == "Wait!":
            await asyncio.Event().wait()
        return turn.text

    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        fake.live.add_agent("agent_1", reply=reply, first_message="Hello {{name}}!", idle_timeout=5)
        variables = {"name": "Ann"}
        results = await run_dialogues(
            client,
            "agent_1",
            [
                Dialogue(name="closed", turns=["Hello", "Close!", "More"], dynamic_variables=variables),
                Dialogue(name="refused", turns=["Hello"]),
                Dialogue(name="silent", turns=["Wait!"], dynamic_variables=variables),
                Dialogue(name="open", turns=["Hello"], dynamic_variables=variables, wait_for_end=True),
            ],
            timeout=0.5,
        )
    closed, refused, silent, still_open = results.values()
    assert [each.text for each in closed.replies] == ["Hello"]
    assert isinstance(closed.error, ConversationClosedError)
    assert isinstance(refused.error, ConversationRefusedError)
    assert (refused.conversation_id, refused.closed, refused.replies, refused.tool_names) == (None, None, (), ())
    assert isinstance(silent.error, ReplyTimeoutError)
    assert still_open.error is None
    assert still_open.closed is not None
    assert still_open.closed.ended_by == "client"


async def test_dialogues_run_at_the_same_time_within_the_limit(fake: FakeConvAI, client: ConvAIClient) -> None:
    running: list[int] = []

    async def reply(turn: Turn) -> str:
        running.append(sum(each.closed is None for each in fake.live.conversations))
        return turn.text

    fake.live.add_agent("agent_1", reply=reply)
    dialogues = [Dialogue(name=f"{number}", turns=[f"I am {number}."]) for number in range(30)]
    results = await run_dialogues(client, "agent_1", dialogues, max_concurrency=10, authorization="api_key")
    assert [result.replies[0].text for result in results.values()] == [f"I am {number}." for number in range(30)]
    assert max(running) == 10
    assert fake.live.conversations[0].authorization == "authorization_header"


async def test_cancelling_ends_the_conversations(fake: FakeConvAI, client: ConvAIClient) -> None:
    waiting = asyncio.Semaphore(0)

    async def reply(turn: Turn) -> None:
        waiting.release()
        await asyncio.Event().wait()

    fake.live.add_agent("agent_1", reply=reply)
    dialogues = [Dialogue(name=f"{number}", turns=["Hello"]) for number in range(3)]
    running = asyncio.create_task(run_dialogues(client, "agent_1", dialogues, max_concurrency=2))
    for _ in range(2):
        await waiting.acquire()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    ended = [await each.wait_until(lambda conversation: conversation.closed) for each in fake.live.conversations]
    assert [end.by for end in ended] == ["client", "client"]


async def test_turn_can_be_spoken(fake: FakeConvAI, client: ConvAIClient) -> None:
    fake.live.add_agent("agent_1", transcribe=lambda _: "Hello")
    speech = build_tone(FORMATS["pcm_16000"], 0.1)
    results = await run_dialogues(client, "agent_1", [Dialogue(name="spoken", turns=[speech])], text_only=None)
    [reply] = results["spoken"].replies
    assert (reply.text, reply.user_transcript) == ("You said: Hello", "Hello")
    assert reply.audio


@pytest.mark.parametrize(
    ("dialogues", "options"),
    [
        ([Dialogue(name="a", turns=[]), Dialogue(name="a", turns=[])], {}),
        ([Dialogue(name="", turns=[])], {}),
        ([Dialogue(name="a", turns="Hello")], {}),
        ([], {"timeout": 0}),
        ([], {"max_concurrency": 0}),
        ([Dialogue(name="a", turns=[])], {"tool_timeout": -1}),
    ],
)
async def test_invalid_argument_is_reported(
    client: ConvAIClient, dialogues: list[Dialogue], options: dict[str, float]
) -> None:
    with pytest.raises(InvalidArgumentError):
        await run_dialogues(client, "agent_1", dialogues, **options)  # type: ignore[arg-type]
