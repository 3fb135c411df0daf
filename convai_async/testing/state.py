"""What a running fake service remembers beside its conversations."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Self

from convai_async.testing.records import AGENTS
from convai_async.testing.replies import not_found

if TYPE_CHECKING:
    from aiohttp import web

    from convai_async.testing.corpus import Corpus
    from convai_async.testing.records import Record

JSON = dict[str, Any]


class UploadedFile(bytes):
    """The content of a file that was uploaded.

    Attributes:
        filename: Its name, as it was sent.
        content_type: Its media type, as it was sent.
        used: Whether the conversation has used it: then it can no longer be deleted.
    """

    filename: str
    content_type: str
    used: bool

    def __new__(cls, content: bytes, *, filename: str, content_type: str) -> Self:
        """Make a file that was not used yet."""
        file = super().__new__(cls, content)
        file.filename = filename
        file.content_type = content_type
        file.used = False
        return file


class State:
    """What the handlers of operations work on.

    Args:
        corpus: The conversations.
        seed: Decides ids, URLs and tokens.
        audio_bytes: The size of every recording; None has them as long as their calls.
        audio_content_length: Whether recordings say how long they are.
        audio_ranges: Whether parts of recordings can be asked for.
        ignore_unknown: Whether parameters that the service does not know are ignored.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        corpus: Corpus,
        *,
        seed: int,
        audio_bytes: int | None,
        audio_content_length: bool,
        audio_ranges: bool,
        ignore_unknown: bool,
    ) -> None:
        self.corpus = corpus
        self.audio_bytes = audio_bytes
        self.audio_content_length = audio_content_length
        self.audio_ranges = audio_ranges
        self.ignore_unknown = ignore_unknown
        self.files: dict[tuple[str, str], UploadedFile] = {}
        self.tags: dict[str, JSON] = {}
        self._rng = random.Random(seed)  # noqa: S311 - made-up secrets

    def new_id(self, prefix: str, digits: int = 16) -> str:
        """Return an id or a secret that was not there before."""
        return f"{prefix}_{self._rng.getrandbits(4 * digits):0{digits}x}"

    def conversation(self, request: web.Request) -> Record:
        """Return the conversation of a request's path.

        Raises:
            RefusedError: There is none.
        """
        conversation_id = request.match_info["conversation_id"]
        if conversation_id not in self.corpus:
            raise not_found("conversation")
        return self.corpus[conversation_id]

    def check_agent(self, agent_id: str) -> str:
        """Return an agent's id if there is such an agent: one of the made-up ones, or one that was added.

        Raises:
            RefusedError: There is none.
        """
        if agent_id not in dict(AGENTS) and agent_id not in self.corpus.added_agents:
            raise not_found("agent")
        return agent_id
