"""The state of a fake service that its handlers share."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from convai_async.testing.live.service import LiveService
from convai_async.testing.responses import not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from convai_async.testing.corpus import Corpus
    from convai_async.testing.plans import StoredConversation
    from convai_async.testing.uploaded_files import UploadedFile

JSON = dict[str, Any]


class State:
    """Conversations, files, tags and settings of a service.

    Args:
        corpus: The conversations.
        check_key: Returns whether a request has the accepted API key; None if it has none.
        seed: The seed of generated ids, URLs and tokens.
        audio_bytes: The size of every recording; None to derive it from the duration.
        audio_content_length: Whether recordings have a Content-Length.
        audio_ranges: Whether Range requests for recordings are supported.
        ignore_unknown: Whether unknown parameters are ignored.
        quirks: Whether live conversations have the quirks of the real service.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only
        self,
        corpus: Corpus,
        check_key: Callable[[web.Request], bool | None],
        *,
        seed: int,
        audio_bytes: int | None,
        audio_content_length: bool,
        audio_ranges: bool,
        ignore_unknown: bool,
        quirks: bool,
    ) -> None:
        self.corpus = corpus
        self.check_key = check_key
        self.audio_bytes = audio_bytes
        self.audio_content_length = audio_content_length
        self.audio_ranges = audio_ranges
        self.ignore_unknown = ignore_unknown
        self.files: dict[tuple[str, str], UploadedFile] = {}
        self.tags: dict[str, JSON] = {}
        # Not the sequence of the corpus, whose ids are random numbers too.
        self._rng = random.Random(f"{seed}/ids")  # noqa: S311 - not for security
        self.live = LiveService(corpus, self.files, self.new_id, seed=seed, quirks=quirks)

    def new_id(self, prefix: str, digits: int = 16) -> str:
        """Generate a new id or secret."""
        return f"{prefix}_{self._rng.getrandbits(4 * digits):0{digits}x}"

    def find_conversation(self, request: web.Request) -> StoredConversation:
        """Return the conversation in the path of a request.

        Raises:
            RefusedError: It does not exist.
        """
        conversation_id = request.match_info["conversation_id"]
        if conversation_id not in self.corpus:
            raise not_found("conversation")
        return self.corpus[conversation_id]

    def check_agent(self, agent_id: str) -> str:
        """Return the id of an agent that exists: a generated or added one, or that of an added conversation.

        Raises:
            RefusedError: The agent does not exist.
        """
        if agent_id not in self.live and agent_id not in self.corpus.added_agents:
            raise not_found("agent")
        return agent_id
