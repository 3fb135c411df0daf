"""Writes a live conversation to the list of conversations, with its transcript."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.custom_conversations import complete_turn
from convai_async.testing.tools import add_tool_id, build_call, build_result, build_system_result

if TYPE_CHECKING:
    from convai_async.testing.corpus import Corpus
    from convai_async.testing.plans import StoredConversation

JSON = dict[str, Any]

_ENDED_BY_ERROR = frozenset({1002, 1008, 1011})


class ConversationRecord:
    """The transcript of a live conversation, as its details show it.

    Args:
        corpus: The conversations of the service.
        agent_id: The agent.
        conversation_id: The id of the conversation.
        authorization: How the conversation was authorized.
    """

    def __init__(self, corpus: Corpus, agent_id: str, conversation_id: str, authorization: str) -> None:
        self._corpus = corpus
        self._agent_id = agent_id
        self._conversation_id = conversation_id
        self._authorization = authorization
        self._clock = time.monotonic()
        self._stored: StoredConversation | None = None
        self._given: JSON = {}

    def begin(self, initiation: JSON, *, text_only: bool) -> None:
        """Add the conversation to the list.

        Args:
            initiation: The message with which the client began it.
            text_only: Whether it has no audio.
        """
        source = initiation.get("source_info") or {}
        metadata = {
            "accepted_time_unix_secs": int(time.time()),
            "authorization_method": self._authorization,
            "text_only": text_only,
            "conversation_initiation_source": source.get("source") or "unknown",
            "conversation_initiation_source_version": source.get("version"),
        }
        self._corpus.add(
            self._conversation_id,
            agent_id=self._agent_id,
            transcript=[],
            start=int(time.time()),
            status="in-progress",
            done_after=None,
            parent_conversation_id=None,
            topic_ids=None,
            tag_ids=(),
            fields={"user_id": initiation.get("user_id"), "has_audio": False, "metadata": metadata},
        )
        self._stored = self._corpus[self._conversation_id]
        self._stored.exact = {"conversation_initiation_client_data": _build_client_data(initiation)}
        self._given = self._stored.given or {}

    def add_user(self, text: str, medium: str) -> None:
        """Add a turn of the user."""
        self._add({"role": "user", "message": text, "source_medium": medium})

    def add_agent(self, text: str) -> None:
        """Add a turn of the agent."""
        self._add({"role": "agent", "message": text})

    def interrupt(self, said: str) -> str | None:
        """Shorten the last turn, if it is the agent's, to what was said; return its whole text."""
        turns = self._given["transcript"]
        if not turns or turns[-1]["role"] != "agent" or turns[-1]["message"] is None:
            return None
        whole: str = turns[-1]["message"]
        turns[-1] |= {"interrupted": True, "original_message": whole, "message": said}
        return whole

    def add_tool(self, tool_call_id: str, name: str, parameters: JSON, result: str, *, is_error: bool) -> None:
        """Add a turn in which the agent called a tool of the client."""
        as_json = msgspec.json.encode(parameters).decode()
        call = build_call(tool_call_id, name, {"type": "client"}, {"type": "client", "parameters": as_json})
        call |= {"params_as_json": as_json, "tool_id": f"tool_{name}"}
        answer = build_result(tool_call_id, name, result, 0.0)
        answer |= {"type": "client", "result_value": result, "is_error": is_error, "tool_id": f"tool_{name}"}
        self._add({"role": "agent", "tool_calls": [call], "tool_results": [answer]})

    def add_end_call(self, tool_call_id: str, reason: str) -> None:
        """Add a turn in which the agent hung up."""
        result = {"result_type": "end_call_success", "status": "success", "reason": reason, "message": None}
        call = build_call(tool_call_id, "end_call", {"type": "system"}, None) | {"params_as_json": "{}"}
        answer = build_system_result(tool_call_id, "end_call", result)
        add_tool_id(call, answer)
        self._add({"role": "agent", "tool_calls": [call], "tool_results": [answer]})

    def finish(self, code: int, reason: str, by: str) -> None:
        """Let the conversation be processed: the second request for its details finds it done.

        A conversation that has failed is so at once. One that has not begun is not in the list.
        """
        if self._stored is None:
            return
        failed = by == "agent" and code in _ENDED_BY_ERROR
        left = f"Client disconnected: {code}"
        self._given["has_audio"] = not self._given["metadata"]["text_only"]
        self._given["metadata"] |= {
            "call_duration_secs": round(time.monotonic() - self._clock),
            "termination_reason": (reason or "end_call tool was called") if by == "agent" else left,
            "error": {"code": code, "reason": reason} if failed else None,
        }
        self._stored.status = "failed" if failed else "processing"
        self._stored.done_after = None if failed else 1

    def _add(self, turn: JSON) -> None:
        turns = self._given["transcript"]
        seconds = round(time.monotonic() - self._clock)
        turns.append(complete_turn(turn | {"time_in_call_secs": seconds}, len(turns), self._agent_id))


def _build_client_data(initiation: JSON) -> JSON:
    empty = {
        "conversation_config_override": {},
        "custom_llm_extra_body": {},
        "dynamic_variables": {},
        "user_id": None,
        "source_info": {"source": None, "version": None},
    }
    return empty | {name: value for name, value in initiation.items() if name in empty and value is not None}
