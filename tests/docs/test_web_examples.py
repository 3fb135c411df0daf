"""The documentation's web backends answer, pass recordings on, and give their slots back."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import uvicorn
from aiohttp.test_utils import TestClient, TestServer

from convai_async import ConvAIClient
from convai_async.archive import Archive
from convai_async.models import Conversation
from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def asgi(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://calls")


class TestFastAPI:
    @pytest.fixture
    async def fake(self) -> AsyncIterator[FakeConvAI]:
        async with FakeConvAI(conversations=30, audio_bytes=3_000_000) as service:
            yield service

    @pytest.fixture
    def example(self, load: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        return load("web_fastapi")

    @pytest.fixture
    async def web(self, example: dict[str, Any], at_home: FakeConvAI) -> AsyncIterator[aiohttp.ClientSession]:
        """A session with the application, which uvicorn serves."""
        config = uvicorn.Config(example["app"], port=0, log_config=None, lifespan="on")
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        host, port = server.servers[0].sockets[0].getsockname()
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            yield session
        await server.shutdown()

    async def test_call_endpoint_returns_the_messages_as_json(
        self, web: aiohttp.ClientSession, fake: FakeConvAI
    ) -> None:
        conversation_id = next(iter(fake.conversations))
        async with web.get(f"/calls/{conversation_id}") as response:
            assert response.status == 200
            said = (await response.json())["said"]
        assert len(said) == len(fake.conversations.details(conversation_id)["transcript"])

    async def test_details_endpoint_returns_the_whole_model(self, web: aiohttp.ClientSession, fake: FakeConvAI) -> None:
        conversation_id = next(iter(fake.conversations))
        async with web.get(f"/calls/{conversation_id}/details") as response:
            document = await response.json()
        conversation = Conversation.from_json(fake.conversations.document(conversation_id))
        assert document == conversation.to_builtins()
        assert conversation.to_builtins()["conversation_id"] == conversation_id

    async def test_missing_call_is_a_404(self, web: aiohttp.ClientSession) -> None:
        async with web.get("/calls/conv_none") as response:
            assert response.status == 404

    async def test_range_beyond_the_end_is_a_416_and_an_invalid_id_a_404(
        self, web: aiohttp.ClientSession, fake: FakeConvAI
    ) -> None:
        recorded = next(filter(fake.conversations.has_audio, fake.conversations))
        async with web.get(f"/calls/{recorded}/audio", headers={"Range": "bytes=9000000-"}) as response:
            assert response.status == 416
        async with web.get("/calls/a%0Ab") as response:
            assert response.status == 404
            assert await response.json() == {"detail": "no such conversation"}

    async def test_recording_is_forwarded_completely(self, web: aiohttp.ClientSession, fake: FakeConvAI) -> None:
        recorded = next(filter(fake.conversations.has_audio, fake.conversations))
        async with web.get(f"/calls/{recorded}/audio") as response:
            assert response.status == 200
            assert response.content_type == "audio/mpeg"
            assert len(await response.read()) == 3_000_000

    async def test_missing_recording_is_a_404_and_not_an_incomplete_200(
        self, web: aiohttp.ClientSession, fake: FakeConvAI
    ) -> None:
        silent = next(each for each in fake.conversations if not fake.conversations.has_audio(each))
        async with web.get(f"/calls/{silent}/audio") as response:
            assert response.status == 404

    async def test_finished_and_disconnected_listeners_release_their_slots(
        self, web: aiohttp.ClientSession, fake: FakeConvAI, example: dict[str, Any]
    ) -> None:
        recorded = next(filter(fake.conversations.has_audio, fake.conversations))
        limiter = example["app"].state.convai._engine.limiter
        async with web.get(f"/calls/{recorded}/audio") as response:
            await response.read()
        for _ in range(3):
            async with web.get(f"/calls/{recorded}/audio") as response:
                await response.content.readexactly(10)
                response.close()
        async with asyncio.timeout(60):
            while limiter.in_flight:
                await asyncio.sleep(0)


async def test_litestar_returns_models_and_a_404(load: Callable[[str], dict[str, Any]], at_home: FakeConvAI) -> None:
    conversation_id = next(iter(at_home.conversations))
    app = load("web_litestar")["app"]
    async with app.lifespan(), asgi(app) as web:
        response = await web.get(f"/calls/{conversation_id}")
        assert (await web.get("/calls/conv_none")).status_code == 404
    conversation = Conversation.from_json(at_home.conversations.document(conversation_id))
    assert Conversation.from_json(response.content) == conversation


async def test_starlette_returns_models_and_a_404(load: Callable[[str], dict[str, Any]], at_home: FakeConvAI) -> None:
    conversation_id = next(iter(at_home.conversations))
    app = load("web_starlette")["app"]
    async with app.router.lifespan_context(app), asgi(app) as web:
        response = await web.get(f"/calls/{conversation_id}")
        assert (await web.get("/calls/conv_none")).status_code == 404
    conversation = Conversation.from_json(at_home.conversations.document(conversation_id))
    assert Conversation.from_json(response.content) == conversation


async def test_quart_returns_models_and_a_404(load: Callable[[str], dict[str, Any]], at_home: FakeConvAI) -> None:
    conversation_id = next(iter(at_home.conversations))
    async with load("web_quart")["app"].test_app() as running:
        web = running.test_client()
        response = await web.get(f"/calls/{conversation_id}")
        body = await response.get_data()
        assert (await web.get("/calls/conv_none")).status_code == 404
    conversation = Conversation.from_json(at_home.conversations.document(conversation_id))
    assert Conversation.from_json(body) == conversation


async def test_aiohttp_web_returns_models_recordings_and_a_404(
    load: Callable[[str], dict[str, Any]], at_home: FakeConvAI
) -> None:
    recorded = next(filter(at_home.conversations.has_audio, at_home.conversations))
    async with TestClient(TestServer(load("web_aiohttp_web")["app"])) as web:
        async with web.get(f"/calls/{recorded}") as response:
            conversation = Conversation.from_json(await response.read())
        async with web.get(f"/calls/{recorded}/audio", headers={"Range": "bytes=10-19"}) as response:
            assert (response.status, len(await response.read())) == (206, 10)
        for path in ("/calls/conv_none", "/calls/conv_none/audio"):
            async with web.get(path) as response:
                assert response.status == 404
        async with web.get(f"/calls/{recorded}/audio", headers={"Range": "bytes=99999999-"}) as response:
            assert response.status == 416
        async with web.head(f"/calls/{recorded}/audio") as response:
            assert response.status == 405
        async with web.get(f"/calls/{recorded}") as response:
            assert response.status == 200, "the connection is not corrupted by the body of a HEAD"
    assert conversation == Conversation.from_json(at_home.conversations.document(recorded))


@pytest.mark.usefixtures("in_tmp_path")
async def test_webhook_is_stored_and_a_harvest_adds_missed_conversations(
    load: Callable[[str], dict[str, Any]], at_home: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks = load("webhooks")
    conversation_id = next(iter(at_home.conversations))
    body = b'{"type": "post_call_transcription", "data": %s}' % at_home.conversations.document(conversation_id)
    now = int(time.time())
    digest = hmac.new(b"wsec_1", b"%d." % now + body, hashlib.sha256).hexdigest()
    async with asgi(webhooks["app"]) as web:
        forged = await web.post("/elevenlabs", content=body, headers={"elevenlabs-signature": f"t={now},v0=00"})
        assert forged.status_code == 401
        garbage = b'{"type": "post_call_transcription", "data": {"conversation_id": 5}}'
        digest_of_garbage = hmac.new(b"wsec_1", b"%d." % now + garbage, hashlib.sha256).hexdigest()
        headers = {"elevenlabs-signature": f"t={now},v0={digest_of_garbage}"}
        assert (await web.post("/elevenlabs", content=garbage, headers=headers)).status_code == 400
        headers = {"elevenlabs-signature": f"t={now},v0={digest}"}
        assert (await web.post("/elevenlabs", content=body, headers=headers)).status_code == 200
    with Archive.open("calls.db") as archive:
        assert archive.get(conversation_id).conversation_id == conversation_id
    monkeypatch.setattr(ConvAIClient, "base_url", "https://api.elevenlabs.io")
    await webhooks["fetch_missed_conversations"]()
    with Archive.open("calls.db") as archive:
        assert archive.get(conversation_id) == Conversation.from_json(at_home.conversations.document(conversation_id))
        assert archive.status().conversations == 250
