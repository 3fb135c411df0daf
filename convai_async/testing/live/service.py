"""The agents of a fake service and the conversations that were held with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convai_async.testing.live.access import Access
from convai_async.testing.live.agents import Agent
from convai_async.testing.live.conversation import LiveConversation
from convai_async.testing.plans import AGENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from convai_async.testing.corpus import Corpus
    from convai_async.testing.uploaded_files import UploadedFile


class LiveService:
    """The agents and live conversations of a fake service, as ``fake.live``.

    Attributes:
        agents: The agents by id.
        conversations: The live conversations by id, in the order in which they began.
        access: The signed URLs and tokens that were issued.
    """

    def __init__(
        self, corpus: Corpus, files: dict[tuple[str, str], UploadedFile], new_id: Callable[[str, int], str]
    ) -> None:
        self.agents = {agent_id: Agent(agent_id=agent_id) for agent_id, _ in AGENTS}
        self.conversations: dict[str, LiveConversation] = {}
        self.access = Access(new_id)
        self._corpus = corpus
        self._files = files
        self._new_id = new_id

    def add_agent(self, agent_id: str, **options: Any) -> Agent:
        """Add an agent."""
        self.agents[agent_id] = agent = Agent(agent_id=agent_id, **options)
        return agent

    async def converse(self, request: web.Request, agent_id: str, api_key_accepted: bool | None) -> web.StreamResponse:
        """Hold a conversation over a socket."""
        agent = self.agents.setdefault(agent_id, Agent(agent_id=agent_id))
        self.access.authorize(request, api_key_accepted, private=agent.private)
        conversation_id = request.query.get("conversation_id") or self._new_id("conv", 20)
        conversation = LiveConversation(agent, conversation_id, lambda prefix: self._new_id(prefix, 20))
        self.conversations[conversation_id] = conversation
        return await conversation.serve(request)

    def abort(self) -> None:
        """End all conversations without a close frame."""
