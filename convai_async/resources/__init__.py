"""The methods of the client, by resource: ``client.conversations``, ``client.agents`` and their attributes."""

from convai_async.polling._many import DeleteResult, Fetched, FetchResult, NotFetched
from convai_async.polling._watch import Watch
from convai_async.resources._agents import Agents, LinkResource
from convai_async.resources._analysis import AnalysisResource
from convai_async.resources._audio import AudioResource
from convai_async.resources._conversations import Conversations
from convai_async.resources._feedback import FeedbackResource
from convai_async.resources._files import FilesResource
from convai_async.resources._messages import MessagesResource
from convai_async.resources._tags import TagsResource
from convai_async.resources._topics import TopicsResource

__all__ = [
    "Agents",
    "AnalysisResource",
    "AudioResource",
    "Conversations",
    "DeleteResult",
    "FeedbackResource",
    "FetchResult",
    "Fetched",
    "FilesResource",
    "LinkResource",
    "MessagesResource",
    "NotFetched",
    "TagsResource",
    "TopicsResource",
    "Watch",
]
