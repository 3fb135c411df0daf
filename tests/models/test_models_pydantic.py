"""Models in pydantic and FastAPI."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any

import fastapi
import httpx
import jsonschema
import pydantic
import pytest

from convai_async.models import Conversation, ConversationSummary, Model, ToolResult, TranscriptTurn, WebhookCallDetails
from convai_async.testing import FakeConvAI
from convai_async.webhooks import CallAudio

_CORPUS = FakeConvAI(conversations=20).conversations
CONVERSATIONS = [Conversation.from_json(_CORPUS.document(each)) for each in _CORPUS]
SUMMARY = ConversationSummary.from_json(b'{"conversation_id": "conv_1", "rating": 4, "new_field": 1}')


class Review(pydantic.BaseModel):
    note: str
    conversation: Conversation
    turns: list[TranscriptTurn] = []
    by_name: dict[str, ConversationSummary | None] = {}


def an_app() -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    @app.get("/bare")
    async def bare() -> Any:
        return CONVERSATIONS[0]

    @app.get("/without-annotation", response_model=None)
    async def without_annotation() -> Any:
        return {"all": [CONVERSATIONS[0]]}

    @app.get("/dict")
    async def a_dict() -> dict[str, Any]:
        return {"all": [CONVERSATIONS[0]]}

    @app.get("/one")
    async def one() -> Conversation:
        return CONVERSATIONS[0]

    @app.get("/many")
    async def many() -> list[Conversation]:
        return CONVERSATIONS

    @app.get("/perhaps", response_model=ConversationSummary | None)
    async def perhaps() -> Any:
        return SUMMARY

    @app.get("/review")
    async def review() -> Review:
        return Review(note="x", conversation=CONVERSATIONS[1], turns=list(CONVERSATIONS[1].transcript))

    @app.post("/one")
    async def post_one(conversation: Annotated[Conversation, fastapi.Body()]) -> int:
        return len(conversation.transcript)

    @app.post("/review")
    async def post_review(review: Review) -> Review:
        return review

    return app


@pytest.fixture(scope="module")
def app() -> fastapi.FastAPI:
    return an_app()


@pytest.fixture
def web(app: fastapi.FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app")


async def test_fastapi_returns_models_in_lists_and_pydantic_models(web: httpx.AsyncClient) -> None:
    first = CONVERSATIONS[0].to_builtins()
    assert (await web.get("/bare")).json() == first
    assert (await web.get("/without-annotation")).json() == {"all": [first]}
    assert (await web.get("/dict")).json() == {"all": [first]}
    assert (await web.get("/one")).json() == first
    assert (await web.get("/many")).json() == [each.to_builtins() for each in CONVERSATIONS]
    assert (await web.get("/perhaps")).json() == SUMMARY.to_builtins()
    review = (await web.get("/review")).json()
    assert review["conversation"] == CONVERSATIONS[1].to_builtins()
    assert review["turns"] == review["conversation"]["transcript"]


async def test_fastapi_accepts_models_as_bodies_and_rejects_invalid_ones_with_422(
    web: httpx.AsyncClient,
) -> None:
    body = CONVERSATIONS[0].to_builtins()
    assert (await web.post("/one", json=body)).json() == len(CONVERSATIONS[0].transcript)
    assert (await web.post("/review", json={"note": "x", "conversation": body})).json()["conversation"] == body
    refused = await web.post("/one", json={"conversation_id": 5})
    assert refused.status_code == 422
    assert "Expected `str`, got `int` - at `$.conversation_id`" in refused.text
    assert (await web.post("/one", json=[])).status_code == 422
    assert (await web.post("/review", json={"note": "x", "conversation": None})).status_code == 422


async def test_openapi_describes_models_and_responses(web: httpx.AsyncClient) -> None:
    page = (await web.get("/openapi.json")).json()
    schemas = page["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    unresolved = {ref.rpartition("/")[2] for ref in references(page)} - schemas.keys()
    assert unresolved == set()
    summary = schemas["ConversationSummary"]
    assert summary["required"] == ["conversation_id"]
    assert summary["description"] == "A conversation in a list of conversations."
    assert summary["properties"]["rating"]["anyOf"] == [{"type": "number"}, {"type": "null"}]
    assert summary["properties"]["tag_ids"]["items"] == {"type": "string"}
    assert summary["properties"]["status"]["anyOf"][0]["enum"][0] == "initiated"
    turn = schemas["TranscriptTurn-Output"]["properties"]["tool_results"]
    variants = {each.get("$ref", "").rpartition("/")[2] for each in turn["anyOf"][0]["items"]["anyOf"]}
    assert variants >= {"OtherToolResult", "SystemToolResult", "WorkflowToolResult-Output", "UnknownToolResult"}

    returned = page["paths"]["/one"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**returned, "components": page["components"]})
    for conversation in CONVERSATIONS:
        validator.validate(conversation.to_builtins())
    assert not validator.is_valid({**CONVERSATIONS[0].to_builtins(), "transcript": 5})


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_pydantic_validates_and_serializes_models() -> None:
    adapter = pydantic.TypeAdapter(list[Conversation])
    assert adapter.validate_python(CONVERSATIONS) == CONVERSATIONS
    assert adapter.validate_json(adapter.dump_json(CONVERSATIONS)) == CONVERSATIONS
    assert adapter.dump_python(CONVERSATIONS[:1]) == [CONVERSATIONS[0].to_builtins()]
    one = pydantic.TypeAdapter(Conversation)
    assert one.validate_python(CONVERSATIONS[0]) is CONVERSATIONS[0]
    assert one.validate_python({"conversation_id": "c", "transcript": [TranscriptTurn(message="x")]}).transcript
    with pytest.raises(pydantic.ValidationError, match=r"missing required field `conversation_id` - at `\$`"):
        one.validate_python({"agent_id": "a"})
    with pytest.raises(pydantic.ValidationError):
        one.validate_python({"conversation_id": object()})


class Mine(Model):
    """Mine.

    More of it.
    """

    when: Any = None
    kind: WebhookCallDetails | None = None
    audio: bytes | None = None
    results: tuple[ToolResult, ...] = ()
    flag: bool = False


def test_json_schema_has_the_type_of_each_field() -> None:
    schema = pydantic.TypeAdapter(CallAudio).json_schema()
    assert schema["properties"]["full_audio"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    mine = pydantic.TypeAdapter(Mine).json_schema(mode="serialization")
    assert (mine["title"], mine["description"], mine["properties"]["flag"]["type"]) == ("Mine", "Mine.", "boolean")
    assert mine["properties"]["when"] == {"title": "When"}
    assert mine["$defs"]["WebhookCallDetails"]["properties"]["headers"]["additionalProperties"] is True


def test_importing_models_does_not_import_pydantic() -> None:
    script = "import sys, convai_async.models, convai_async.webhooks; sys.exit('pydantic_core' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
