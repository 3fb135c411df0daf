"""The operations of the service, one handler each."""

from __future__ import annotations

import base64
import binascii
import random
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from multidict import MultiDict

from convai_async.testing import mp3
from convai_async.testing.documents import AGENTS
from convai_async.testing.faults import DETOUR
from convai_async.testing.newer_handlers import NewerHandlers
from convai_async.testing.replies import headers_of_every_reply, invalid, json_reply, not_found, page_reply, raw_reply

if TYPE_CHECKING:
    from multidict import MultiMapping

    from convai_async.testing.corpus import Corpus

_LARGEST_PAGE = 100
_DEFAULT_PAGE = 30
_LARGEST_WHOLE_RECORDING = 4 * 1024 * 1024
_SIP_MESSAGES = ("INVITE", "100 Trying", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK")
_SUMMARY_MODES = {"exclude", "include"}
_MEDIA_TYPES = ("image/", "application/pdf")


class Handlers:
    """Answers requests from a corpus.

    Args:
        corpus: The conversations.
        seed: Decides ids, URLs and tokens.
        audio_bytes: The size of every recording; None has them as long as their calls.
        audio_content_length: Whether recordings say how long they are.
    """

    def __init__(self, corpus: Corpus, *, seed: int, audio_bytes: int | None, audio_content_length: bool) -> None:
        self._corpus = corpus
        self._rng = random.Random(seed)  # noqa: S311 - made-up secrets
        self._audio_bytes = audio_bytes
        self._audio_content_length = audio_content_length
        self.files: dict[tuple[str, str], bytes] = {}
        self._newer = NewerHandlers(corpus, self.files, seed=seed)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; a handler's name is the name of its operation."""
        conversation = "/v1/convai/conversations/{conversation_id}"
        return [
            *self._newer.routes(),
            web.get("/v1/convai/conversations", self.list_conversations),
            web.get(conversation, self.get_conversation),
            web.delete(conversation, self.delete_conversation),
            web.get(f"{conversation}/audio", self.get_audio),
            web.post(f"{conversation}/feedback", self.create_feedback),
            web.post(f"{conversation}/files", self.create_file),
            web.delete(conversation + "/files/{file_id}", self.delete_file),
            web.get(f"{conversation}/sip-messages", self.get_sip_messages),
            web.get("/v1/convai/conversation/get-signed-url", self.get_signed_url),
            web.get("/v1/convai/conversation/token", self.get_webrtc_token),
            web.get("/v1/convai/agents/{agent_id}/link", self.get_agent_link),
        ]

    async def list_conversations(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversations."""
        query = MultiDict((name, value) for name, value in request.query.items() if value)
        size = _page_size(query, _DEFAULT_PAGE)
        if size is None:
            return invalid("page_size", f"Input should be from 1 to {_LARGEST_PAGE}")
        if query.get("summary_mode", "exclude") not in _SUMMARY_MODES:
            return invalid("summary_mode", "Input should be 'exclude' or 'include'")
        try:
            after = _read_cursor(query.get("cursor"))
            found, last = self._corpus.page(query, size, after)
        except ValueError as error:
            return invalid("query", str(error))
        return json_reply({"conversations": found, "next_cursor": _write_cursor(last), "has_more": last is not None})

    async def get_conversation(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversations/{conversation_id}."""
        conversation_id = request.match_info["conversation_id"]
        if conversation_id not in self._corpus:
            return not_found("conversation")
        return raw_reply(self._corpus.document(conversation_id))

    async def delete_conversation(self, request: web.Request) -> web.StreamResponse:
        """DELETE /v1/convai/conversations/{conversation_id}."""
        conversation_id = request.match_info["conversation_id"]
        if conversation_id not in self._corpus:
            return not_found("conversation")
        self._corpus.remove(conversation_id)
        return json_reply({})

    async def get_audio(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversations/{conversation_id}/audio."""
        conversation_id = request.match_info["conversation_id"]
        if not self._corpus.has_audio(conversation_id):
            return not_found("audio")
        size = self._audio_bytes
        if size is None:
            size = mp3.size_of(self._corpus.duration(conversation_id))
        headers = headers_of_every_reply() | {"content-type": "audio/mpeg"}
        if self._audio_content_length and size <= _LARGEST_WHOLE_RECORDING:
            return web.Response(body=b"".join(mp3.blocks(size)), headers=headers)
        reply = web.StreamResponse(headers=headers)
        if self._audio_content_length:
            reply.content_length = size
        await reply.prepare(request)
        for block in mp3.blocks(size):
            await reply.write(block)
        return reply

    async def create_feedback(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/convai/conversations/{conversation_id}/feedback."""
        conversation_id = request.match_info["conversation_id"]
        if conversation_id not in self._corpus:
            return not_found("conversation")
        feedback = msgspec.json.decode(await request.read()).get("feedback")
        if feedback not in {None, "like", "dislike"}:
            return invalid("feedback", "Input should be 'like' or 'dislike'")
        self._corpus[conversation_id].feedback = feedback
        return json_reply({})

    async def create_file(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/convai/conversations/{conversation_id}/files."""
        conversation_id = request.match_info["conversation_id"]
        if conversation_id not in self._corpus:
            return not_found("conversation")
        file = (await request.post()).get("file")
        if not isinstance(file, web.FileField):
            return invalid("file", "Field required")
        if not file.content_type.startswith(_MEDIA_TYPES):
            return invalid("file", "Only images and PDFs are accepted")
        file_id = f"file_{self._rng.getrandbits(64):016x}"
        self.files[conversation_id, file_id] = file.file.read()
        return json_reply({"file_id": file_id})

    async def delete_file(self, request: web.Request) -> web.StreamResponse:
        """DELETE /v1/convai/conversations/{conversation_id}/files/{file_id}."""
        file_id = request.match_info["file_id"]
        if self.files.pop((request.match_info["conversation_id"], file_id), None) is None:
            return not_found("file")
        return json_reply({"file_id": file_id})

    async def get_sip_messages(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversations/{conversation_id}/sip-messages."""
        conversation_id = request.match_info["conversation_id"]
        if conversation_id not in self._corpus:
            return not_found("conversation")
        size = _page_size(request.query, _DEFAULT_PAGE)
        if size is None:
            return invalid("page_size", f"Input should be from 1 to {_LARGEST_PAGE}")
        start = self._corpus[conversation_id].start
        messages = [
            {
                "call_id": f"call_of_{conversation_id}",
                "phone_numbers": ["+15550199"],
                "local_address": "192.0.2.1:5060",
                "remote_address": "198.51.100.7:5060",
                "transport": "udp",
                "raw_message": f"{line} sip:agent@example.invalid SIP/2.0\r\n\r\n",
                "error_message": "",
                "direction": "out" if number % 2 else "in",
                "created_at_unix_micro": start * 1_000_000 + number,
            }
            for number, line in enumerate(_SIP_MESSAGES)
        ]
        return page_reply(request, "sip_messages", messages, size)

    async def get_signed_url(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversation/get-signed-url."""
        agent_id = request.query.get("agent_id")
        if agent_id is None:
            return invalid("agent_id", "Field required")
        if not _is_agent(agent_id):
            return not_found("agent")
        query = {"agent_id": agent_id, "conversation_signature": f"cvtkn_{self._rng.getrandbits(96):024x}"}
        query |= {name: request.query[name] for name in ("branch_id", "environment") if name in request.query}
        if request.query.get("include_conversation_id") == "true":
            query["conversation_id"] = f"conv_{self._rng.getrandbits(80):020x}"
        return json_reply({"signed_url": f"wss://{request.host}/v1/convai/conversation?{urlencode(query)}"})

    async def get_webrtc_token(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversation/token."""
        agent_id = request.query.get("agent_id")
        if agent_id is None:
            return invalid("agent_id", "Field required")
        if not _is_agent(agent_id):
            return not_found("agent")
        return json_reply({"token": f"webrtc_{self._rng.getrandbits(96):024x}"})

    async def get_agent_link(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/agents/{agent_id}/link."""
        agent_id = request.match_info["agent_id"]
        if not _is_agent(agent_id):
            return not_found("agent")
        token = {
            "agent_id": agent_id,
            "conversation_token": f"cvtkn_{self._rng.getrandbits(96):024x}",
            "expiration_time_unix_secs": None,
            "conversation_id": None,
            "purpose": "shareable_link",
            "token_requester_user_id": None,
        }
        return json_reply({"agent_id": agent_id, "token": token})


def _is_agent(agent_id: str) -> bool:
    return any(agent_id == known for known, _ in AGENTS)


def _page_size(query: MultiMapping[str], default: int) -> int | None:
    """Return the page size that is asked for, or None if there can be none such."""
    text = query.get("page_size", str(default))
    return int(text) if text.isdecimal() and 1 <= int(text) <= _LARGEST_PAGE else None


def _write_cursor(position: tuple[int, str] | None) -> str | None:
    return None if position is None else base64.urlsafe_b64encode(msgspec.json.encode(position)).decode()


def _read_cursor(cursor: str | None) -> tuple[int, str] | None:
    text = (cursor or "").rstrip(DETOUR)
    if not text:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=tuple[int, str])
    except (binascii.Error, ValueError):
        raise ValueError("the cursor is not one of ours") from None
