"""The handlers of the service's operations, a module for each resource; importing this registers them all."""

from convai_async.testing.handlers import (
    agents,
    analysis,
    audio,
    conversations,
    files,
    messages,
    sessions,
    tags,
)

__all__ = ["agents", "analysis", "audio", "conversations", "files", "messages", "sessions", "tags"]
