"""The analysis of a conversation, run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from convai_async.testing.operations import operation
from convai_async.testing.parameters import read_body
from convai_async.testing.replies import not_found, raw_reply

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.state import State

_FIELDS = {
    "evaluation_id": str,
    "scope": Literal["conversation", "agent"] | None,
    "evaluated_agent_id": str | None,
    "evaluated_branch_id": str | None,
}


@operation("POST", "/conversations/{conversation_id}/analysis/run")
async def run_analysis(state: State, request: web.Request, _query: dict[str, Any]) -> web.StreamResponse:
    """Analyse a conversation again, and return it."""
    record = state.conversation(request)
    record.revision += 1
    return raw_reply(state.corpus.document(record.conversation_id))


@operation("POST", "/conversations/{conversation_id}/analysis/evaluations/run")
async def run_evaluation(state: State, request: web.Request, query: dict[str, Any]) -> web.StreamResponse:
    """Evaluate a conversation by one criterion again, and return it; here all criteria are evaluated."""
    details = state.corpus.details(state.conversation(request).conversation_id)
    fields = await read_body(request, _FIELDS, required="evaluation_id", ignore_unknown=state.ignore_unknown)
    if fields["evaluation_id"] not in (details["analysis"] or {}).get("evaluation_criteria_results", {}):
        raise not_found("evaluation")
    return await run_analysis(state, request, query)
