"""What a user of the client holds: ``client.conversations`` and ``client.agents``, and what is under them."""

from convai_async.polling._many import DeleteResult, Fetched, FetchResult, NotFetched
from convai_async.polling._watch import Watch
from convai_async.resources._agents import Agents, LinkResource
from convai_async.resources._audio import AudioResource
from convai_async.resources._conversations import Conversations
from convai_async.resources._feedback import FeedbackResource
from convai_async.resources._files import FilesResource

__all__ = [
    "Agents",
    "AudioResource",
    "Conversations",
    "DeleteResult",
    "FeedbackResource",
    "FetchResult",
    "Fetched",
    "FilesResource",
    "LinkResource",
    "NotFetched",
    "Watch",
]
