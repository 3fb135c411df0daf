"""What a user of the client holds: ``client.conversations`` and ``client.agents``, and what is under them."""

from convai_async.polling._many import DeleteResult, Fetched, FetchResult, NotFetched
from convai_async.polling._watch import Watch
from convai_async.resources._agents import AgentLinks, Agents
from convai_async.resources._audio import ConversationAudio
from convai_async.resources._conversations import Conversations
from convai_async.resources._feedback import ConversationFeedback
from convai_async.resources._files import ConversationFiles

__all__ = [
    "AgentLinks",
    "Agents",
    "ConversationAudio",
    "ConversationFeedback",
    "ConversationFiles",
    "Conversations",
    "DeleteResult",
    "FetchResult",
    "Fetched",
    "NotFetched",
    "Watch",
]
