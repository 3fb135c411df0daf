"""``client.agents``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async import endpoints
from convai_async.resources._topics import TopicsResource

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine
    from convai_async.models import AgentLink


class Agents:
    """The agents of a workspace: ``client.agents``.

    Attributes:
        link: Links that share an agent.
        topics: Topics of an agent's conversations.
    """

    def __init__(self, engine: Engine) -> None:
        self.link = LinkResource(engine)
        self.topics = TopicsResource(engine)


class LinkResource:
    """Links that share an agent: ``client.agents.link``.

    Methods that send a request can raise the errors that `convai_async.errors` lists.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, agent_id: str) -> AgentLink:
        """Get the current link of an agent (GET /v1/convai/agents/{agent_id}/link).

        The link's token is a secret. The repr of the result does not show it.

        Args:
            agent_id: The agent (``agent_…``).
        """
        return await self._engine.send(endpoints.get_agent_link(agent_id))
