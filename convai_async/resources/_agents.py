"""``client.agents``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convai_async import endpoints
from convai_async.resources._topics import TopicsResource

if TYPE_CHECKING:
    from convai_async._transport.engine import Engine
    from convai_async.models import AgentLink


class Agents:
    """What the client knows of agents.

    Attributes:
        link: The links that share an agent with others.
        topics: What an agent's conversations are about.
    """

    def __init__(self, engine: Engine) -> None:
        self.link = LinkResource(engine)
        self.topics = TopicsResource(engine)


class LinkResource:
    """The links that share an agent with others."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, agent_id: str) -> AgentLink:
        """Get an agent's current link (GET /v1/convai/agents/{agent_id}/link).

        Its token is a secret, and is left out of its repr.

        Args:
            agent_id: The agent (``agent_…``).

        Raises:
            InvalidArgumentError: The id is empty or invalid.
            ConvAIError: As for any request.
        """
        return await self._engine.send(endpoints.get_agent_link(agent_id))
