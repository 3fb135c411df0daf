"""The calls of ``/v1/convai/agents``, one function each."""

from __future__ import annotations

from convai_async.calls._call import Call, quoted_id
from convai_async.models import AgentLink


def get_agent_link(agent_id: str) -> Call[AgentLink]:
    """GET /v1/convai/agents/{agent_id}/link."""
    return Call("GET", f"/v1/convai/agents/{quoted_id('agent_id', agent_id)}/link", AgentLink.from_json)
