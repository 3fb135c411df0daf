"""Tools that the agent calls in the client."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest
from virtual_time import in_virtual_time

from convai_async import ConvAIClient, InvalidArgumentError
from convai_async.live import AgentResponse, ClientToolCall, MCPToolCall, ToolError
from convai_async.live._tools import Tools
from convai_async.testing import FakeConvAI
from convai_async.testing.live import ToolResult, Turn, faults

if TYPE_CHECKING:
    from collections.abc import Callable


class Order(msgspec.Struct):
    number: int


class Lookup:
    async def __call__(self, number: int) -> str:
        return f"object {number}"


async def call_once(client: ConvAIClient, fake: FakeConvAI, parameters: dict[str, Any], **options: Any) -> ToolResult:
    """Let the agent call the tool "look", and return the result that it gets."""
    results: list[ToolResult] = []

    async def reply(turn: Turn) -> str:
        results.append(await turn.call_tool("look", parameters))
        return "Done."

    fake.live.add_agent("agent_1", reply=reply, text_only=True)
    async with client.conversations.connect("agent_1", **options) as live:
        answer = await live.ask("Go")
        assert answer.text == "Done."
        assert [call.tool_name for call in answer.tool_calls] == ["look"]
    answers = [each for each in fake.live[live.conversation_id].received if each["type"] == "client_tool_result"]
    assert len(answers) == 1
    return results[0]


def fail() -> None:
    raise KeyError("password")


def explain() -> None:
    raise ToolError("The order does not exist.")


async def cancel_itself() -> None:
    raise asyncio.CancelledError


async def cancel_own_task() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


class StopTests(BaseException):
    """Not an Exception, like those of pytest."""


async def stop_tests() -> None:
    raise StopTests


def stop_tests_in_thread() -> None:
    raise StopTests


class NoTextError(ToolError):
    def __str__(self) -> str:
        raise ZeroDivisionError


def explain_without_text() -> None:
    raise NoTextError


def explain_with_half_a_character() -> None:
    raise ToolError("\ud800 is unknown")


async def return_itself() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


async def ignore_cancellation(end: asyncio.Event) -> None:
    while not end.is_set():
        with suppress(asyncio.CancelledError):
            await end.wait()


def later() -> Any:
    return asyncio.sleep(0, {"a": None})


@pytest.mark.parametrize(
    ("tool", "parameters", "result"),
    [
        (lambda: "text", {}, "text"),
        (lambda: "", {}, ""),
        (lambda: 0, {}, "0"),
        (lambda: None, {}, "null"),
        (list, {}, "[]"),
        (lambda: False, {}, "false"),
        (lambda: Order(7), {}, '{"number":7}'),
        (later, {}, '{"a":null}'),
        (Lookup(), {"number": 7}, "object 7"),
        (functools.partial(lambda a, b: a + b, 1), {"b": 2}, "3"),
        (lambda **anything: anything, {"x-y": 1}, '{"x-y":1}'),
        (lambda a=5, *rest: a, {}, "5"),
        (lambda tool_call_id: tool_call_id, {"tool_call_id": "mine"}, "mine"),
    ],
)
async def test_result_is_text_or_json(
    tool: Callable[..., Any], parameters: dict[str, Any], result: str, client: ConvAIClient, fake: FakeConvAI
) -> None:
    assert await call_once(client, fake, parameters, tools={"look": tool}) == ToolResult(result, is_error=False)


@pytest.mark.parametrize(
    ("tool", "problem"),
    [
        (explain, "The order does not exist."),
        (fail, "The tool look failed."),
        (cancel_itself, "The tool look failed."),
        (object, "The tool look failed."),
        (lambda: "\ud800", "The tool look failed."),
        (stop_tests, "The tool look failed."),
        (stop_tests_in_thread, "The tool look failed."),
        (return_itself, "The tool look failed."),
        (explain_without_text, "The tool look failed."),
    ],
)
async def test_failure_is_reported_without_the_text_of_other_exceptions(
    tool: Callable[..., Any], problem: str, client: ConvAIClient, fake: FakeConvAI, caplog: pytest.LogCaptureFixture
) -> None:
    assert await call_once(client, fake, {}, tools={"look": tool}) == ToolResult(problem, is_error=True)
    assert ("the tool look failed" in caplog.text) is (tool is not explain)


@pytest.mark.parametrize(
    ("tool", "problem"),
    [
        (explain_with_half_a_character, "? is unknown"),
        (cancel_own_task, "The tool look did not finish in time."),
    ],
)
async def test_any_failure_gets_an_answer(
    tool: Callable[..., Any], problem: str, client: ConvAIClient, fake: FakeConvAI
) -> None:
    assert await call_once(client, fake, {}, tools={"look": tool}) == ToolResult(problem, is_error=True)


async def take_order(order: Order, count: Annotated[int, msgspec.Meta(ge=1)] = 1, note: str | None = None) -> str:
    return f"{order.number} {count} {note}"


@pytest.mark.parametrize(
    ("parameters", "result", "is_error"),
    [
        ({"order": {"number": 7}}, "7 1 None", False),
        ({"order": {"number": "7"}, "count": "2", "note": "x"}, "7 2 x", False),
        ({}, "Invalid arguments: Object missing required field `order`.", True),
        ({"order": {}}, "Invalid arguments: Object missing required field `number` - at `$.order`.", True),
        ({"order": {"number": 7}, "count": 0}, "Invalid arguments: Expected `int` >= 1 - at `$.count`.", True),
        ({"order": {"number": 7}, "count": "x"}, "Invalid arguments: Expected `int`, got `str` - at `$.count`.", True),
        ({"order": {"number": 7}, "size": 1, "colour": 2}, "Unknown arguments: size, colour.", True),
    ],
)
async def test_arguments_are_checked_against_the_annotations(
    parameters: dict[str, Any], result: str, is_error: bool
) -> None:
    call = ClientToolCall(tool_call_id="a", tool_name="order", parameters=parameters)
    message = await Tools({"order": take_order}, None).run(call)
    assert msgspec.json.decode(message) == {
        "type": "client_tool_result",
        "tool_call_id": "a",
        "result": result,
        "is_error": is_error,
    }


async def test_unknown_tool_is_reported(client: ConvAIClient, fake: FakeConvAI) -> None:
    assert await call_once(client, fake, {}, tools={}) == ToolResult("There is no tool 'look'.", is_error=True)


def positional(a: int, /) -> None: ...


def unknown_annotation(a: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("tool", [5, positional, unknown_annotation, max])
def test_tool_whose_arguments_cannot_be_checked_is_refused(tool: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="'look'"):
        Tools({"look": tool}, None)


@in_virtual_time
async def test_tool_that_hangs_gets_an_error_and_delays_nothing() -> None:
    async with FakeConvAI(conversations=2) as fake, ConvAIClient(fake.api_key, base_url=fake.url) as client:
        result = await call_once(
            client, fake, {}, tools={"look": asyncio.Event().wait}, tool_timeout=3, authorization="none"
        )
    assert result == ToolResult("The tool look did not finish in time.", is_error=True)


@pytest.mark.parametrize("tool_timeout", [0.05, None])
async def test_tool_that_ignores_its_cancellation_delays_neither_its_answer_nor_the_end(
    tool_timeout: float | None, client: ConvAIClient, fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.live._tools._CANCEL_SECS", 0.05)
    monkeypatch.setattr("convai_async.live._connection._CANCEL_SECS", 0.1)
    end = asyncio.Event()
    fake.live.faults.add(faults.insert(call_event("a")), event="agent_response")
    tools = {"look": functools.partial(ignore_cancellation, end)}
    try:
        async with asyncio.timeout(60):
            async with client.conversations.connect("agent_1", tools=tools, tool_timeout=tool_timeout) as live:
                if tool_timeout is not None:
                    answer = await fake.live[live.conversation_id].wait_for("client_tool_result")
                    assert answer["result"] == "The tool look did not finish in time."
    finally:
        end.set()


async def test_exit_of_a_tool_ends_the_program() -> None:
    call = ClientToolCall(tool_call_id="a", tool_name="exit")
    with pytest.raises(SystemExit):
        await Tools({"exit": sys.exit}, None)._run_to_result(call)


async def test_calls_of_a_service_that_reads_no_answers_use_bounded_memory(
    client: ConvAIClient, fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.live._tool_runner._MAX_TASKS", 20)
    end = asyncio.Event()
    fake.live.faults.add(
        faults.insert(*(call_event(str(number)) for number in range(100))), event="agent_response", skip=1
    )
    async with client.conversations.connect("agent_1", tools={"look": end.wait}) as live:
        await live.send_text("Go")
        async for event in live:
            if isinstance(event, AgentResponse) and event.text == "You said: Go":
                break
        assert live._connection.task_count == 20


async def test_thread_that_hangs_gets_an_error_and_does_not_delay_the_end(
    client: ConvAIClient, fake: FakeConvAI
) -> None:
    end = threading.Event()
    try:
        result = await call_once(client, fake, {}, tools={"look": end.wait}, tool_timeout=0.05)
    finally:
        end.set()
    assert result.is_error


async def test_call_that_expects_no_response_runs_and_gets_none(client: ConvAIClient, fake: FakeConvAI) -> None:
    ran = asyncio.Event()

    async def reply(turn: Turn) -> str:
        await turn.call_tool("note", {"text": "x"}, expects_response=False)
        return "Done."

    async def note(text: str) -> None:
        assert text == "x"
        ran.set()

    fake.live.add_agent("agent_1", reply=reply, text_only=True)
    async with client.conversations.connect("agent_1", tools={"note": note}) as live:
        assert (await live.ask("Go")).text == "Done."
        await ran.wait()
    assert [each["type"] for each in fake.live[live.conversation_id].received if "tool" in each["type"]] == []


def call_event(call_id: str, name: str = "look") -> dict[str, Any]:
    return {
        "type": "client_tool_call",
        "client_tool_call": {"tool_name": name, "tool_call_id": call_id, "parameters": {}},
    }


async def test_call_that_is_sent_twice_is_answered_once(
    client: ConvAIClient, fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.live._tool_runner._MAX_REMEMBERED", 2)
    calls = [call_event(call_id) for call_id in ("a", "a", "b", "c", "a")]
    fake.live.faults.add(faults.insert(*calls), event="agent_response", skip=1)
    ran: list[int] = []

    async def look() -> None:
        ran.append(1)

    async with client.conversations.connect("agent_1", tools={"look": look}) as live:
        await live.ask("Go", quiet=0.01)
    answers = [each.get("tool_call_id") for each in fake.live[live.conversation_id].received]
    assert [each for each in answers if each] == ["a", "b", "c", "a"], "the last one after a was forgotten"
    assert len(ran) == 4


async def test_too_many_calls_at_once_get_an_error(
    client: ConvAIClient, fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.live._tool_runner._MAX_CALLS_AT_ONCE", 1)
    fake.live.faults.add(faults.insert(call_event("a"), call_event("b")), event="agent_response", skip=1)
    end = asyncio.Event()
    async with client.conversations.connect("agent_1", tools={"look": end.wait}) as live:
        await live.send_text("Go")
        answer = await fake.live[live.conversation_id].wait_for("client_tool_result")
        end.set()
    assert answer["tool_call_id"] == "b"
    assert answer["result"] == "The client is running 1 tools already."


async def test_program_can_answer_calls_itself_and_once(client: ConvAIClient, fake: FakeConvAI) -> None:
    results: list[ToolResult] = []

    async def reply(turn: Turn) -> str:
        results.append(await turn.call_tool("look", {"at": 1}))
        return "Done."

    fake.live.add_agent("agent_1", reply=reply, text_only=True)
    async with client.conversations.connect("agent_1") as live:
        asking = asyncio.create_task(live.ask("Go"))
        async for event in live:
            if isinstance(event, ClientToolCall):
                await live.send_tool_result(event, {"seen": event.parameters}, is_error=False)
                await live.send_tool_result(event, "again")
                break
        assert (await asking).text == "Done."
    assert results == [ToolResult('{"seen":{"at":1}}', is_error=False)]
    received = fake.live[live.conversation_id].received
    assert len([each for each in received if each["type"] == "client_tool_result"]) == 1


async def test_leaving_the_block_cancels_tools(client: ConvAIClient, fake: FakeConvAI) -> None:
    started = asyncio.Event()
    cancelled = asyncio.Event()

    async def look() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    fake.live.faults.add(faults.insert(call_event("a")), event="agent_response")
    async with client.conversations.connect("agent_1", tools={"look": look}):
        await started.wait()
    assert cancelled.is_set()


async def test_leaving_the_block_cancels_an_approval(client: ConvAIClient, fake: FakeConvAI) -> None:
    started = asyncio.Event()

    async def wait(_: MCPToolCall) -> bool:
        started.set()
        return await asyncio.Event().wait()

    call = {"tool_call_id": "a", "tool_name": "x", "state": "awaiting_approval"}
    fake.live.faults.add(faults.insert({"type": "mcp_tool_call", "mcp_tool_call": call}), event="agent_response")
    async with client.conversations.connect("agent_1", approve_mcp_tool=wait) as live:
        await started.wait()
    assert "mcp_tool_approval_result" not in [each["type"] for each in fake.live[live.conversation_id].received]


# Approvals of MCP tools


async def approve_later(call: MCPToolCall) -> bool:
    await asyncio.sleep(0)
    return call.parameters == {"to": "a@b"}


def refuse_by_accident(_: MCPToolCall) -> bool:
    raise ZeroDivisionError


async def stop_tests_in_approval(_: MCPToolCall) -> bool:
    raise StopTests


def exit_in_approval(_: MCPToolCall) -> bool:
    sys.exit()


async def test_exit_of_an_approval_ends_the_program(client: ConvAIClient) -> None:
    async with client.conversations.connect("agent_1", approve_mcp_tool=exit_in_approval) as live:
        with pytest.raises(SystemExit):
            await live._tool_runner._decide(MCPToolCall(tool_call_id="a", tool_name="b"))


async def cancel_approval(_: MCPToolCall) -> bool:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("approve", "approved"),
    [
        (None, False),
        (lambda call: call.tool_name == "send_mail", True),
        (lambda call: "yes", False),
        (approve_later, True),
        (refuse_by_accident, False),
        (cancel_approval, False),
        (stop_tests_in_approval, False),
    ],
)
async def test_mcp_tool_needs_an_approval(approve: Any, approved: bool, client: ConvAIClient, fake: FakeConvAI) -> None:
    answers: list[bool] = []

    async def reply(turn: Turn) -> str:
        answers.append(await turn.ask_approval("send_mail", {"to": "a@b"}))
        return "Done."

    fake.live.add_agent("agent_1", reply=reply, text_only=True)
    async with client.conversations.connect("agent_1", approve_mcp_tool=approve) as live:
        assert (await live.ask("Go")).text == "Done."
    assert answers == [approved]
