"""Each operation sends the request that the official SDK sends for the same arguments, as a server receives it."""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from aiohttp import web
from aiohttp.test_utils import TestServer
from starlette.requests import Request
from starlette.responses import JSONResponse

from convai_async import ConvAIClient, ConvAIError, InvalidArgumentError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK's own, on import
    from elevenlabs.client import AsyncElevenLabs
    from elevenlabs.core.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CONV, AGENT, TAG, FILE = "conv_1", "agent_1", "tag_1", "file_1"

SHARED_FILTERS: dict[str, Any] = {
    "agent_id": AGENT,
    "branch_id": "agtbrch_1",
    "call_duration_max_secs": 600,
    "call_duration_min_secs": 0,
    "call_start_after_unix": 1_767_225_600,
    "call_start_before_unix": 1_767_229_200,
    "call_successful": "failure",
    "conversation_initiation_source": "twilio",
    "conversation_product_type": "agents",
    "cursor": "c/1+2=",
    "data_collection_params": ["order:eq:5", "city:in:Rome|Bern", "name:eq:"],
    "dynamic_variable_params": "plan:neq:free",
    "evaluation_params": ["polite:success"],
    "exclude_statuses": ["initiated", "in-progress"],
    "has_feedback_comment": False,
    "include_invalid_tool_calls": True,
    "main_languages": ["en", "de"],
    "page_size": 50,
    "phone_number_ids": ["phnum_1"],
    "rating_max": 5,
    "rating_min": 1,
    "summary_mode": "include",
    "termination_reasons": ["end_call tool was called.", "Client ended the call"],
    "text_only": True,
    "tool_ids": ["tool_1", "__system_end_call"],
    "tool_ids_errored": "tool_2",
    "tool_ids_successful": ["tool_3"],
    "tool_names": ["issue_refund", "end_call"],
    "tool_names_errored": ["a b"],
    "tool_names_successful": ["ü&="],
    "topic_ids": ["topic_1"],
    "user_id": "user 1",
    "version_id": "agtvrsn_1",
    "triggered_procedure_ids": ["proc_1"],
    "visited_agent_branch_ids": ["agtbrch_1", "agtbrch_2"],
    "visited_agent_ids": ["agent_1", "agent_2"],
    "whatsapp_phone_number_ids": "wa_1",
}
LIST_FILTERS: dict[str, Any] = {
    **SHARED_FILTERS,
    "custom_guardrail_names": ["no legal advice"],
    "data_collection_filter": "order:gte:5",
    "data_collection_ids": ["order", "city"],
    "dynamic_variable_filter": "plan:eq:free",
    "evaluation_criteria_ids": ["polite"],
    "guardrail_types": ["custom", "violence"],
    "parent_conversation_id": "conv_0",
    "search": "refund\nplease",
    "sort_direction": "asc",
    "tag_ids": [TAG],
    "workflow_node_entered_id": "node_1",
}
ACCESS: dict[str, Any] = {
    "branch_id": "agtbrch_1",
    "version_id": "agtvrsn_1",
    "environment": "staging",
    "debug_events_request": True,
}
TOPICS: dict[str, Any] = {
    "page_size": 10,
    "sort_by": "frustration",
    "sort_direction": "desc",
    "from_unix_secs": 1_767_225_600,
    "to_unix_secs": 1_767_830_400,
    "include_evaluation_criteria": False,
    "cursor": "c/1",
}
SCOPE: dict[str, Any] = {"scope": "agent", "evaluated_agent_id": AGENT, "evaluated_branch_id": "agtbrch_1"}
PNG = b"\x89PNG"

SAME: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "list": (lambda c: c.conversations.list(page_size=100), lambda c: c.conversations.list(page_size=100)),
    "list, filtered": (lambda c: c.conversations.list(**LIST_FILTERS), lambda c: c.conversations.list(**LIST_FILTERS)),
    "get": (lambda c: c.conversations.get(CONV), lambda c: c.conversations.get(CONV)),
    "get, by an id with special characters": (
        lambda c: c.conversations.get("a b+ü:@"),
        lambda c: c.conversations.get("a b+ü:@"),
    ),
    "get traces": (
        lambda c: c.conversations.get(CONV, format="opentelemetry"),
        lambda c: c.conversations.get(CONV, format="opentelemetry"),
    ),
    "resolve": (
        lambda c: c.conversations.resolve(AGENT, "https://acme.slack.com/archives/C1/p1?thread_ts=1.2&cid=C1"),
        lambda c: c.conversations.resolve(
            agent_id=AGENT, reference="https://acme.slack.com/archives/C1/p1?thread_ts=1.2&cid=C1"
        ),
    ),
    "get_summary": (lambda c: c.conversations.get_summary(CONV), lambda c: c.conversations.get_summary(CONV)),
    "get_summary, with messages": (
        lambda c: c.conversations.get_summary(CONV, max_messages=5),
        lambda c: c.conversations.get_summary(CONV, max_messages=5),
    ),
    "delete": (lambda c: c.conversations.delete(CONV), lambda c: c.conversations.delete(CONV)),
    "get_signed_url": (
        lambda c: c.conversations.get_signed_url(AGENT),
        lambda c: c.conversations.get_signed_url(agent_id=AGENT),
    ),
    "get_signed_url, with options": (
        lambda c: c.conversations.get_signed_url(AGENT, include_conversation_id=True, **ACCESS),
        lambda c: c.conversations.get_signed_url(agent_id=AGENT, include_conversation_id=True, **ACCESS),
    ),
    "get_webrtc_token": (
        lambda c: c.conversations.get_webrtc_token(AGENT, participant_name="Ann Lee", **ACCESS),
        lambda c: c.conversations.get_webrtc_token(agent_id=AGENT, participant_name="Ann Lee", **ACCESS),
    ),
    "get_sip_messages": (
        lambda c: c.conversations.get_sip_messages(CONV, page_size=5, cursor="c"),
        lambda c: c.conversations.get_sip_messages(CONV, page_size=5, cursor="c"),
    ),
    "audio.get": (lambda c: c.conversations.audio.stream(CONV), lambda c: c.conversations.audio.get(CONV)),
    "feedback.create": (
        lambda c: c.conversations.feedback.create(CONV, feedback="like"),
        lambda c: c.conversations.feedback.create(CONV, feedback="like"),
    ),
    "feedback.create, none": (
        lambda c: c.conversations.feedback.create(CONV, feedback=None),
        lambda c: c.conversations.feedback.create(CONV, feedback=None),
    ),
    "files.create": (
        lambda c: c.conversations.files.create(CONV, PNG, filename="a b ü.png"),
        lambda c: c.conversations.files.create(CONV, file=("a b ü.png", PNG)),
    ),
    "files.create, of a type": (
        lambda c: c.conversations.files.create(CONV, b"a,b", filename="a", content_type="text/csv"),
        lambda c: c.conversations.files.create(CONV, file=("a", b"a,b", "text/csv")),
    ),
    "files.get": (lambda c: c.conversations.files.get(CONV, FILE), lambda c: c.conversations.files.get(CONV, FILE)),
    "files.delete": (
        lambda c: c.conversations.files.delete(CONV, FILE),
        lambda c: c.conversations.files.delete(CONV, FILE),
    ),
    "messages.text_search": (
        lambda c: c.conversations.messages.text_search("two\nlines", sort_by="created_at", **SHARED_FILTERS),
        lambda c: c.conversations.messages.text_search(text_query="two\nlines", sort_by="created_at", **SHARED_FILTERS),
    ),
    "messages.search": (
        lambda c: c.conversations.messages.search("..", agent_id=AGENT, branch_id="b", page_size=50, cursor="c"),
        lambda c: c.conversations.messages.search(
            text_query="..", agent_id=AGENT, branch_id="b", page_size=50, cursor="c"
        ),
    ),
    "analysis.run": (
        lambda c: c.conversations.analysis.run(CONV),
        lambda c: c.conversations.analysis.run(CONV),
    ),
    "analysis.run_evaluation": (
        lambda c: c.conversations.analysis.run_evaluation(CONV, evaluation_id="polite"),
        lambda c: c.conversations.analysis.run_evaluation(CONV, evaluation_id="polite"),
    ),
    "analysis.run_evaluation, of a part": (
        lambda c: c.conversations.analysis.run_evaluation(CONV, evaluation_id="polite", **SCOPE),
        lambda c: c.conversations.analysis.run_evaluation(CONV, evaluation_id="polite", **SCOPE),
    ),
    "tags.list": (
        lambda c: c.conversations.tags.list(page_size=10, cursor="c"),
        lambda c: c.conversations.tags.list(page_size=10, cursor="c"),
    ),
    "tags.create": (
        lambda c: c.conversations.tags.create(".."),
        lambda c: c.conversations.tags.create(title=".."),
    ),
    "tags.create, described": (
        lambda c: c.conversations.tags.create("urgent", description="call\nback"),
        lambda c: c.conversations.tags.create(title="urgent", description="call\nback"),
    ),
    "tags.get": (lambda c: c.conversations.tags.get(TAG), lambda c: c.conversations.tags.get(TAG)),
    "tags.update": (
        lambda c: c.conversations.tags.update(TAG, title="later"),
        lambda c: c.conversations.tags.update(TAG, title="later"),
    ),
    "tags.update, to nothing": (
        lambda c: c.conversations.tags.update(TAG, description=None),
        lambda c: c.conversations.tags.update(TAG, description=None),
    ),
    "tags.delete": (lambda c: c.conversations.tags.delete(TAG), lambda c: c.conversations.tags.delete(TAG)),
    "tags.assign": (
        lambda c: c.conversations.tags.assign(CONV, tag_ids=[TAG, "tag_2"]),
        lambda c: c.conversations.tags.assign(CONV, tag_ids=[TAG, "tag_2"]),
    ),
    "tags.unassign": (
        lambda c: c.conversations.tags.unassign(CONV, TAG),
        lambda c: c.conversations.tags.unassign(CONV, TAG),
    ),
    "conversations.topics.get": (
        lambda c: c.conversations.topics.get(AGENT, **TOPICS),
        lambda c: c.conversations.topics.get(AGENT, **TOPICS),
    ),
    "agents.link.get": (lambda c: c.agents.link.get(AGENT), lambda c: c.agents.link.get(AGENT)),
}


class Recorder:
    """A server that notes what it receives and answers 404."""

    url: str

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    async def note(self, request: web.Request) -> web.Response:
        body = await request.read()
        content_type = request.headers.get("content-type", "")
        self.requests.append(
            {
                "method": request.method,
                "path": request.path,
                "query": sorted(request.query.items()),
                "media type": request.headers.get("content-type", "").partition(";")[0],
                "body": read(content_type, body) if body else None,
            }
        )
        return web.json_response({"detail": "Not Found"}, status=404)


def read(content_type: str, body: bytes) -> Any:
    if content_type == "application/json":
        return json.loads(body)
    message = BytesParser().parsebytes(f"content-type: {content_type}\r\n\r\n".encode() + body)
    parts: Any = message.get_payload()
    # What "Content-Length" and the order of headers say of a part is the same to every reader.
    return [(part["content-disposition"], part["content-type"], part.get_payload(decode=True)) for part in parts]


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recording = Recorder()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", recording.note)
    async with TestServer(app) as server:
        recording.url = str(server.make_url("")).rstrip("/")
        yield recording


async def sent(recorder: Recorder, started: Any) -> dict[str, Any]:
    """Return the one request that this sends: something to await, to iterate, or to enter."""
    recorder.requests.clear()
    with suppress(ConvAIError, ApiError):
        if hasattr(started, "__aenter__"):
            await started.__aenter__()
        elif hasattr(started, "__await__"):
            await started
        else:
            await anext(started)
    (request,) = recorder.requests
    return request


@pytest.fixture
async def ours(recorder: Recorder) -> AsyncIterator[ConvAIClient]:
    async with ConvAIClient("xi-key", base_url=recorder.url) as client:
        yield client


@pytest.fixture
async def theirs(recorder: Recorder) -> AsyncIterator[Any]:
    async with httpx.AsyncClient() as http:
        yield AsyncElevenLabs(base_url=recorder.url, api_key="xi-key", httpx_client=http).conversational_ai


def test_every_sdk_operation_is_compared() -> None:
    assert len({name.partition(",")[0] for name in SAME} - {"get traces"}) == 26


async def test_operation_sends_the_same_request_as_the_sdk(recorder: Recorder, ours: ConvAIClient, theirs: Any) -> None:
    for name, (our, their) in SAME.items():
        assert await sent(recorder, our(ours)) == await sent(recorder, their(theirs)), name


FILE_NAMES = [
    "my receipt (1).pdf",
    "Rechnung März.pdf",
    "日本語.png",
    "Screenshot at 10.15\u202fPM.png",  # as macOS names them
    "100% of %22.txt",
    "a;b='c'.pdf",
    "back\\slash.pdf",
    "../a.pdf",
    "..",
]
ESCAPED = {
    'a".pdf': "a%22.pdf",
    'a"\r\nx-header: b\r\n\r\n.pdf': "a%22%0D%0Ax-header: b%0D%0A%0D%0A.pdf",
    "\x00\x1f.pdf": "%00%1F.pdf",
}


async def read_by_starlette(scope: Any, receive: Any, send: Any) -> None:
    async with Request(scope, receive).form() as form:
        upload: Any = form["file"]
        reply = JSONResponse({"file_id": json.dumps([len(form), upload.filename, (await upload.read()).decode()])})
    await reply(scope, receive, send)


async def read_by_aiohttp(request: web.Request) -> web.Response:
    form = await request.post()
    upload: Any = form["file"]
    with upload.file as file:
        return web.json_response({"file_id": json.dumps([len(form), upload.filename, file.read().decode()])})


@pytest.fixture
async def starlette_url() -> AsyncIterator[str]:
    config = uvicorn.Config(read_by_starlette, port=0, log_config=None, lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    await server.shutdown()


@pytest.fixture
async def aiohttp_url() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{path:.*}", read_by_aiohttp)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_file_name_arrives_unchanged_and_as_from_the_sdk(starlette_url: str, aiohttp_url: str) -> None:
    names = {**{name: name for name in FILE_NAMES}, **ESCAPED}
    async with httpx.AsyncClient() as http:
        for url in (starlette_url, aiohttp_url):
            sdk = AsyncElevenLabs(base_url=url, api_key="xi-key", httpx_client=http).conversational_ai
            async with ConvAIClient("xi-key", base_url=url, retry=None) as client:
                for name, arriving in names.items():
                    ours = await client.conversations.files.create(CONV, b"x", filename=name, content_type="text/plain")
                    assert json.loads(ours.file_id) == [1, arriving, "x"], url
                    theirs = await sdk.conversations.files.create(CONV, file=(name, b"x", "text/plain"))
                    assert theirs.file_id == ours.file_id, url


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("a.pdf", b"", "application/pdf"),
        ("a.JPG", b"", "image/jpeg"),
        ("a.webp", b"", "image/webp"),
        ("a.txt", b"", "text/plain"),
        ("a.csv", b"", "text/csv"),
        ("a.log", "naïve".encode(), "text/plain"),
        ("README", b"", "text/plain"),
        ("notes.unheard-of", ("a" * 4095 + "ü").encode(), "text/plain"),
        ("a.csv.gz", b"\x1f\x8b", None),
        ("a.unheard-of", b"\x00\x01", None),
        ("a.unheard-of", "naïve".encode("latin-1"), None),
    ],
)
async def test_media_type_is_guessed_from_name_or_text(
    recorder: Recorder, ours: ConvAIClient, name: str, content: bytes, content_type: str | None
) -> None:
    upload = ours.conversations.files.create(CONV, content, filename=name)
    if content_type is None:
        with pytest.raises(InvalidArgumentError, match=r"^content_type: .*does not determine it: pass it"):
            await upload
    else:
        ((_, sent_type, _),) = (await sent(recorder, upload))["body"]
        assert sent_type == content_type
