"""The operations that the service has gained since the contract, one handler each."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from convai_async.testing.documents import AGENTS
from convai_async.testing.replies import headers_of_every_reply, invalid, json_reply, not_found, page_reply, raw_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.testing.corpus import Corpus

JSON = dict[str, Any]

_LARGEST_SEARCH_PAGE = 50
_DEFAULT_PAGE = 30
_TAGGED_AT = 1_780_000_000
_TOPICS = ("refund", "delivery", "billing", "account", "booking", "rescheduling")


class NewerHandlers:
    """Answers requests from a corpus and the uploaded files.

    Args:
        corpus: The conversations.
        files: The uploaded files, by conversation id and file id.
        seed: Decides the ids of tags.
    """

    def __init__(self, corpus: Corpus, files: dict[tuple[str, str], bytes], *, seed: int) -> None:
        self._corpus = corpus
        self._files = files
        self._rng = random.Random(seed)  # noqa: S311 - made-up ids
        self.tags: dict[str, JSON] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; those with a fixed path come before any conversation's."""
        conversation = "/v1/convai/conversations/{conversation_id}"
        return [
            web.get("/v1/convai/conversations/resolve", self.resolve_conversation),
            web.get("/v1/convai/conversations/messages/text-search", self.text_search_messages),
            web.get("/v1/convai/conversations/messages/smart-search", self.search_messages),
            web.get(f"{conversation}/summary", self.get_conversation_summary),
            web.post(f"{conversation}/analysis/run", self.run_analysis),
            web.post(f"{conversation}/analysis/evaluations/run", self.run_evaluation),
            web.get(conversation + "/files/{file_id}", self.get_file),
            web.post(f"{conversation}/tags", self.assign_tags),
            web.delete(conversation + "/tags/{tag_id}", self.unassign_tag),
            web.get("/v1/convai/tags", self.list_tags),
            web.post("/v1/convai/tags", self.create_tag),
            web.get("/v1/convai/tags/{tag_id}", self.get_tag),
            web.patch("/v1/convai/tags/{tag_id}", self.update_tag),
            web.delete("/v1/convai/tags/{tag_id}", self.delete_tag),
            web.get("/v1/convai/agents/{agent_id}/topics", self.get_agent_topics),
        ]

    async def resolve_conversation(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversations/resolve: by the sid of its phone call."""
        for conversation_id in self._corpus:
            details = self._corpus.details(conversation_id)
            call = details["metadata"].get("phone_call") or {}
            if details["agent_id"] == request.query.get("agent_id") and (
                request.query.get("reference") in {conversation_id, call.get("call_sid")}
            ):
                return raw_reply(self._corpus.document(conversation_id))
        return not_found("conversation")

    async def text_search_messages(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversations/messages/text-search."""
        return self._search(request, request.query.get("text_query", "").casefold().split())

    async def search_messages(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversations/messages/smart-search: a made-up service knows words only."""
        return self._search(request, request.query.get("text_query", "").casefold().split()[:1])

    def _search(self, request: web.Request, words: list[str]) -> web.StreamResponse:
        if not words:
            return invalid("text_query", "Field required")
        size = int(request.query.get("page_size", str(_DEFAULT_PAGE)))
        if not 1 <= size <= _LARGEST_SEARCH_PAGE:
            return invalid("page_size", f"Input should be from 1 to {_LARGEST_SEARCH_PAGE}")
        hits = list(self._hits(words, request.query.get("agent_id")))
        number = int(request.query.get("cursor") or 0) // size
        return page_reply(request, "results", hits, size, meta={"total": len(hits), "page": number, "page_size": size})

    def _hits(self, words: list[str], agent_id: str | None) -> Iterator[JSON]:
        names = dict(AGENTS)
        for conversation_id in self._corpus:
            details = self._corpus.details(conversation_id)
            if agent_id not in {None, details["agent_id"]}:
                continue
            for index, turn in enumerate(details["transcript"]):
                text = turn["message"] or ""
                if all(word in text.casefold() for word in words):
                    yield {
                        "conversation_id": conversation_id,
                        "agent_id": details["agent_id"],
                        "agent_name": names[details["agent_id"]],
                        "transcript_index": index,
                        "chunk_text": text,
                        "chunk_highlights": [{"value": text, "is_hit": True}],
                        "score": round(1 / (1 + index), 3),
                        "conversation_start_time_unix_secs": self._corpus[conversation_id].start,
                    }

    async def get_conversation_summary(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversations/{conversation_id}/summary."""
        conversation_id = request.match_info["conversation_id"]
        if conversation_id not in self._corpus:
            return not_found("conversation")
        details = self._corpus.details(conversation_id)
        analysis = details["analysis"] or {}
        said = [{"role": turn["role"], "message": turn["message"]} for turn in details["transcript"] if turn["message"]]
        most = int(request.query.get("max_messages", "20"))
        return json_reply(
            {
                "conversation_id": conversation_id,
                "agent_id": details["agent_id"],
                "status": details["status"],
                "call_summary_title": analysis.get("call_summary_title"),
                "transcript_summary": analysis.get("transcript_summary"),
                "call_successful": analysis.get("call_successful"),
                "message_count": len(details["transcript"]),
                "messages": said[:most],
                "messages_omitted": len(said) > most,
                "note": "Shortened.",
            }
        )

    async def run_analysis(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/convai/conversations/{conversation_id}/analysis/run."""
        conversation_id = request.match_info["conversation_id"]
        if conversation_id not in self._corpus:
            return not_found("conversation")
        self._corpus[conversation_id].revision += 1
        return raw_reply(self._corpus.document(conversation_id))

    async def run_evaluation(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/convai/conversations/{conversation_id}/analysis/evaluations/run."""
        if not msgspec.json.decode(await request.read()).get("evaluation_id"):
            return invalid("evaluation_id", "Field required")
        return await self.run_analysis(request)

    async def get_file(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/conversations/{conversation_id}/files/{file_id}."""
        content = self._files.get((request.match_info["conversation_id"], request.match_info["file_id"]))
        if content is None:
            return not_found("file")
        return web.Response(body=content, content_type="application/octet-stream", headers=headers_of_every_reply())

    async def assign_tags(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/convai/conversations/{conversation_id}/tags."""
        conversation_id = request.match_info["conversation_id"]
        if conversation_id not in self._corpus:
            return not_found("conversation")
        tag_ids = msgspec.json.decode(await request.read())["tag_ids"]
        if not all(tag_id in self.tags for tag_id in tag_ids):
            return not_found("tag")
        record = self._corpus[conversation_id]
        record.tag_ids = sorted({*record.tag_ids, *tag_ids})
        return json_reply(None)

    async def unassign_tag(self, request: web.Request) -> web.StreamResponse:
        """DELETE /v1/convai/conversations/{conversation_id}/tags/{tag_id}."""
        conversation_id, tag_id = request.match_info["conversation_id"], request.match_info["tag_id"]
        if conversation_id not in self._corpus or tag_id not in self._corpus[conversation_id].tag_ids:
            return not_found("tag")
        self._corpus[conversation_id].tag_ids.remove(tag_id)
        return json_reply(None)

    async def list_tags(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/tags."""
        size = int(request.query.get("page_size", str(_DEFAULT_PAGE)))
        return page_reply(request, "conversation_tags", list(self.tags.values()), size)

    async def create_tag(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/convai/tags."""
        fields = msgspec.json.decode(await request.read())
        if not fields.get("title"):
            return invalid("title", "Field required")
        tag_id = f"tag_{self._rng.getrandbits(64):016x}"
        self.tags[tag_id] = {
            "tag_id": tag_id,
            "workspace_id": "ws_1",
            "owner_user_id": "user_1",
            "title": fields["title"],
            "description": fields.get("description"),
            "created_at_unix_secs": _TAGGED_AT + len(self.tags),
        }
        return json_reply(self.tags[tag_id])

    async def get_tag(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/tags/{tag_id}."""
        tag = self.tags.get(request.match_info["tag_id"])
        return not_found("tag") if tag is None else json_reply(tag)

    async def update_tag(self, request: web.Request) -> web.StreamResponse:
        """PATCH /v1/convai/tags/{tag_id}."""
        tag = self.tags.get(request.match_info["tag_id"])
        if tag is None:
            return not_found("tag")
        tag.update(msgspec.json.decode(await request.read()))
        return json_reply(tag)

    async def delete_tag(self, request: web.Request) -> web.StreamResponse:
        """DELETE /v1/convai/tags/{tag_id}."""
        if self.tags.pop(request.match_info["tag_id"], None) is None:
            return not_found("tag")
        return json_reply(None)

    async def get_agent_topics(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/convai/agents/{agent_id}/topics."""
        if request.match_info["agent_id"] not in dict(AGENTS):
            return not_found("agent")
        size = int(request.query.get("page_size", str(_DEFAULT_PAGE)))
        return page_reply(
            request,
            "topics",
            [_topic(number, label) for number, label in enumerate(_TOPICS)],
            size,
            window_start_unix_secs=int(request.query.get("from_unix_secs", "0")),
            window_end_unix_secs=int(request.query.get("to_unix_secs", str(_TAGGED_AT))),
            aggregated_run_count=1,
        )


def _topic(number: int, label: str) -> JSON:
    spread = {"count": 10, "sum": 4.5, "min": -1, "max": 1.0}
    return {
        "topic_id": f"topic_{number}",
        "label": label,
        "description": f"Calls about {label}.",
        "conversation_count": 10 + number,
        "parent_topic_id": None,
        "x_2d": number / 10,
        "y_2d": -number,
        "metrics": {
            "conversation_count": 10 + number,
            "sentiment": {"sentiment": spread, "frustration": spread, "positive_count": 5},
            "evaluation_criteria": [{"criteria_id": "solved", "success_count": 7, "failure_count": 3}],
        },
        "success_rate": 0.7,
    }
