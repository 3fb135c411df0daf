"""The analysis of a conversation, run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from convai_async.testing.parameters import read_body
from convai_async.testing.responses import not_found, raw_response
from convai_async.testing.routes import route

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State

_FIELDS = {
    "evaluation_id": str,
    "scope": Literal["conversation", "agent"] | None,
    "evaluated_agent_id": str | None,
    "evaluated_branch_id": str | None,
}


@route("POST", "/conversations/{conversation_id}/analysis/run")
async def run_analysis(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Run the analysis of a conversation again, and return the conversation."""
    stored = state.find_conversation(request)
    stored.revision += 1
    return raw_response(state.corpus.document(stored.conversation_id))


@route("POST", "/conversations/{conversation_id}/analysis/evaluations/run")
async def run_evaluation(state: State, request: web.Request, query: dict[str, Any]) -> web.StreamResponse:
    """Run one evaluation criterion again, and return the conversation. Here the whole analysis is run again."""
    details = state.corpus.details(state.find_conversation(request).conversation_id)
    fields = await read_body(request, _FIELDS, required="evaluation_id", ignore_unknown=state.ignore_unknown)
    if fields["evaluation_id"] not in (details["analysis"] or {}).get("evaluation_criteria_results", {}):
        raise not_found("evaluation")
    return await run_analysis(state, request, query)
