"""An asyncio client for the ElevenLabs Agents ("convai") conversations API.

Start with `ConvAIClient`::

    async with ConvAIClient() as client:
        async for summary in client.conversations.list():
            print(summary.conversation_id)

`convai_async.errors` lists the exceptions, `convai_async.models` the documents, and `convai_async.endpoints` the
requests.
"""

from convai_async import endpoints, errors, models
from convai_async._version import __version__
from convai_async.client import ConvAIClient
from convai_async.endpoints import ConversationFilters, Page, Request, Response, UndecodableItem
from convai_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ClientClosedError,
    ConcurrencyLimitError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    ConvAIError,
    ConversationClosedError,
    ConversationNotReadyError,
    ConversationRefusedError,
    DecodeError,
    IncompleteBodyError,
    InvalidArgumentError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    ReplyTimeoutError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    StorageError,
    TransportError,
    ValidationError,
    WebhookSignatureError,
)
from convai_async.live import LiveConversation
from convai_async.models import Conversation, ConversationSummary, TranscriptTurn
from convai_async.pagination import Paginator
from convai_async.resources import DeleteResult, Fetched, FetchResult, NotFetched, Watch
from convai_async.retry import RetryPolicy
from convai_async.streaming import AudioStream, SavedAudio

__all__ = [
    "APIStatusError",
    "AudioStream",
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ConcurrencyLimitError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "ConvAIClient",
    "ConvAIError",
    "Conversation",
    "ConversationClosedError",
    "ConversationFilters",
    "ConversationNotReadyError",
    "ConversationRefusedError",
    "ConversationSummary",
    "DecodeError",
    "DeleteResult",
    "FetchResult",
    "Fetched",
    "IncompleteBodyError",
    "InvalidArgumentError",
    "LiveConversation",
    "NotFetched",
    "NotFoundError",
    "Page",
    "PaginationError",
    "Paginator",
    "PermissionDeniedError",
    "RateLimitError",
    "ReplyTimeoutError",
    "Request",
    "RequestTimeoutError",
    "Response",
    "ResponseTooLargeError",
    "RetryPolicy",
    "SavedAudio",
    "ServerError",
    "StorageError",
    "TranscriptTurn",
    "TransportError",
    "UndecodableItem",
    "ValidationError",
    "Watch",
    "WebhookSignatureError",
    "__version__",
    "endpoints",
    "errors",
    "models",
]
