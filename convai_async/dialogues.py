"""Hold scripted dialogues with an agent, many at once, to test it.

::

    results = await run_dialogues(client, "agent_1", [Dialogue(name="order", turns=["Where is my order?"])])
    assert "number" in results["order"].replies[0].text
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async._support.validate import validate_seconds, validate_text
from convai_async.errors import ConvAIError, InvalidArgumentError
from convai_async.live import ClientToolCall, Closed, LiveConversation, MCPToolCall, Reply
from convai_async.live.events import AgentToolRequest, AgentToolResponse
from convai_async.polling._many import map_concurrently

if TYPE_CHECKING:
    from convai_async.client import ConvAIClient

__all__ = ["Dialogue", "DialogueResult", "run_dialogues"]


class Dialogue(msgspec.Struct, kw_only=True, frozen=True):
    """A script of the user's side of a conversation.

    Attributes:
        name: The name, by which `run_dialogues` returns the result.
        turns: What the user says, in order; each turn waits for the reply to the one before. Text; or audio in the
            agent's input format, which needs ``text_only=None``.
        tools: The client's tools by name, as for `Conversations.connect`. Let them return fixed values.
        dynamic_variables: Strings, numbers and booleans by name, for the agent's prompts.
        wait_for_end: Whether to wait after the last reply until the agent hangs up, for as long as for a reply.
    """

    name: str
    turns: Sequence[str | bytes]
    tools: Mapping[str, Any] = {}
    dynamic_variables: Mapping[str, Any] = {}
    wait_for_end: bool = False


class DialogueResult(msgspec.Struct, kw_only=True, frozen=True):
    """The agent's side of a dialogue.

    Attributes:
        name: The name of the dialogue.
        conversation_id: The id of the conversation; None if the service did not accept it.
        replies: A `convai_async.live.Reply` for each turn of the user, up to the first that failed.
        closed: How the conversation ended; None if it did not begin. ``closed.ended_by`` is ``"client"`` if the agent
            did not hang up.
        error: Why the dialogue did not reach its end, such as a `ReplyTimeoutError`; None if it did.
    """

    name: str
    conversation_id: str | None
    replies: tuple[Reply, ...]
    closed: Closed | None
    error: ConvAIError | None

    @property
    def tool_calls(self) -> tuple[ClientToolCall, ...]:
        """The calls of the client's tools, with their parameters."""
        return tuple(call for reply in self.replies for call in reply.tool_calls)

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The names of the tools of the replies, in order: the client's, the service's and those of webhooks.

        The service's tools are only known if ``agent_tool_request`` or ``agent_tool_response`` is in the agent's
        ``client_events``.
        """
        names: dict[str, str] = {}
        for event in (event for reply in self.replies for event in reply.events):
            if isinstance(event, ClientToolCall | AgentToolRequest | AgentToolResponse | MCPToolCall):
                names.setdefault(event.tool_call_id or event.tool_name, event.tool_name)
        return tuple(names.values())


async def run_dialogues(  # noqa: PLR0913 - keyword-only options
    client: ConvAIClient,
    agent_id: str,
    dialogues: Iterable[Dialogue],
    *,
    max_concurrency: int = 5,
    timeout: float = 30.0,
    text_only: bool | None = True,
    **options: Any,
) -> dict[str, DialogueResult]:
    """Hold dialogues with an agent, and return their results by name, in the order of the dialogues.

    An error of a dialogue is in its result, and does not affect the others.

    Args:
        client: The client.
        agent_id: The agent (``agent_…``).
        dialogues: The dialogues, with different names.
        max_concurrency: The number of conversations at the same time, 5 by default. Above the limit of your plan,
            conversations wait in the queue.
        timeout: The maximum seconds of a reply, 30 by default.
        text_only: Whether conversations have no audio. The agent must allow this override in its security settings;
            None leaves it to the agent.
        options: More arguments of `Conversations.connect`, for all dialogues, such as ``branch_id``.

    Raises:
        InvalidArgumentError: An argument is invalid, or two dialogues have the same name.
    """
    validate_seconds("timeout", timeout, positive=True)
    by_name = _index_by_name(dialogues)
    options |= {"text_only": text_only}

    async def run(name: str) -> DialogueResult:
        return await _run(client, agent_id, by_name[name], timeout, options)

    async with map_concurrently(by_name, run, max_concurrency) as finished:
        results = {result.name: result async for result in finished}
    return {name: results[name] for name in by_name}


def _index_by_name(dialogues: Iterable[Dialogue]) -> dict[str, Dialogue]:
    by_name: dict[str, Dialogue] = {}
    for dialogue in dialogues:
        if validate_text("name", dialogue.name) in by_name:
            raise InvalidArgumentError("dialogues", f"two dialogues have the name {dialogue.name!r}")
        if isinstance(dialogue.turns, str | bytes):
            raise InvalidArgumentError("turns", f"must be a list, not {type(dialogue.turns).__name__}")
        by_name[dialogue.name] = dialogue
    return by_name


async def _run(
    client: ConvAIClient, agent_id: str, dialogue: Dialogue, timeout: float, options: Mapping[str, Any]
) -> DialogueResult:
    live: LiveConversation | None = None
    replies: list[Reply] = []
    error: ConvAIError | None = None
    connecting = client.conversations.connect(
        agent_id, tools=dialogue.tools, dynamic_variables=dialogue.dynamic_variables or None, **options
    )
    try:
        async with connecting as live:
            for turn in dialogue.turns:
                replies.append(await live.ask(turn, timeout=timeout))  # noqa: PERF401 - the replies before an error
            if dialogue.wait_for_end:
                await _wait_for_end(live, timeout)
    except InvalidArgumentError:
        raise
    except ConvAIError as failure:
        error = failure
    return DialogueResult(
        name=dialogue.name,
        conversation_id=None if live is None else live.conversation_id,
        replies=tuple(replies),
        closed=None if live is None else live.closed,
        error=error,
    )


async def _wait_for_end(live: LiveConversation, timeout: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            async for _ in live:
                pass
