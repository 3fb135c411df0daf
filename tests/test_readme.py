"""The README's code and commands do what they say."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import shlex
import sqlite3
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import click
import httpx
import pytest
import uvicorn
from unmeasured import unmeasured

import convai_async._configuration
from convai_async import ConvAIClient, RetryPolicy
from convai_async.archive import Archive
from convai_async.archive._writer import ArchiveWriter
from convai_async.cli._app import app as command_line
from convai_async.cli._exit_codes import EXIT_CODES
from convai_async.errors import PermissionDeniedError
from convai_async.harvest import harvest
from convai_async.models import Conversation
from convai_async.testing import FakeConvAI, faults
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_files_and_folders_that_the_readme_names_exist() -> None:
    names = set(re.findall(r"`((?:tests|docs|examples|benchmarks|\.ci)/[\w./-]*)`", README))
    assert "docs/examples/" in names
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.fixture
def readme(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the README's Python defines, run from top to bottom."""
    monkeypatch.setenv("ELEVENLABS_API_KEY", "xi-fake-key")
    module = types.ModuleType("readme")
    monkeypatch.setitem(sys.modules, "readme", module)
    namespace = module.__dict__
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)
    return namespace


@pytest.fixture
def at_home(fake: FakeConvAI, monkeypatch: pytest.MonkeyPatch) -> FakeConvAI:
    """The fake service where the README's code expects the real one."""
    monkeypatch.setitem(convai_async._configuration._HOSTS, "global", fake.url)
    return fake


def test_type_checkers_accept_every_block(tmp_path: Path) -> None:
    source = tmp_path / "readme.py"
    # The examples name results that they do not go on to use.
    source.write_text("# pyright: strict, reportUnusedVariable=false\n" + "\n\n".join(blocks("python")))
    checks = [
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(source)],
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(source)],
    ]
    running = [
        subprocess.Popen(check, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=unmeasured()) for check in checks
    ]
    printed = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], "\n".join(printed)


async def test_the_library_in_ten_lines(readme: Any, at_home: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    at_home.add(start=4_000_000_000)
    await readme["main"]()
    assert {request.operation for request in at_home.requests} >= {"list_conversations"}


async def test_ways_through_a_list(readme: Any, client: ConvAIClient, fake: FakeConvAI) -> None:
    await readme["ways_through_a_list"](client)
    assert len(fake.requests) > 3


async def test_the_bulk_script(readme: Any, at_home: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    assert all(isinstance(summary, str) for summary in await readme["refunds"]())
    query = at_home.requests[0].query
    assert ("tool_names", "issue_refund") in query


async def test_the_worker_sorts_errors_into_drop_wait_and_retry(readme: Any, fake: FakeConvAI) -> None:
    handle = readme["handle"]
    ids = iter(fake.conversations)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client:
        assert await handle(client, next(ids)) == "done"
        assert await handle(client, "conv_none") == "drop"
        assert await handle(client, "") == "drop"
        assert await handle(client, fake.add(status="processing")) == "wait"
        for fault, answer in (
            (faults.status(503), "retry in 60 s"),
            (faults.drop(), "retry in 60 s"),
            (faults.body(b"{}"), "retry in 60 s"),
            (faults.body(b'{"conversation_id": 5}'), "drop"),
            (faults.body(b"<html>"), "retry in 60 s"),
        ):
            fake.faults.add(fault, times=2)  # aiohttp heals one dropped GET by itself
            assert await handle(client, next(ids)) == answer
            fake.faults.clear()
        for status, error in ((401, convai_async.AuthenticationError), (403, PermissionDeniedError)):
            fake.faults.add(faults.status(status))
            with pytest.raises(error):
                await handle(client, next(ids))
        fake.faults.add(faults.rate_limited(retry_after=7))
        assert await handle(client, next(ids)) == "retry in 7 s"


@pytest.mark.usefixtures("in_tmp_path")
async def test_a_recording_is_saved(readme: Any, client: ConvAIClient, fake: FakeConvAI, tmp_path: Path) -> None:
    await readme["save_recording"](client, next(filter(fake.conversations.has_audio, fake.conversations)))
    assert (tmp_path / "call.mp3").stat().st_size > 0


async def test_everything_else(readme: Any, fake: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    real = list(fake.conversations)[:2]
    texts = {"conv_1": real[0], "conv_2": real[1], "agent_1": AGENTS[0][0]}
    source = next(block for block in blocks("python") if "async def everything_else" in block)
    for stand_in, existing in texts.items():
        source = source.replace(f'"{stand_in}"', f'"{existing}"')
    source = re.sub(r"    agents = await .*\n", "", source)  # an endpoint that the fake service does not have
    exec(compile(source, "README.md", "exec"), readme)
    async with ConvAIClient(fake.api_key, base_url=fake.url) as client:
        await readme["everything_else"](client)
    out = capsys.readouterr().out
    assert "INVITE" in out
    assert "wss://" not in out
    assert real[0] not in fake.conversations


async def test_the_settings_are_what_they_say(readme: Any) -> None:
    client, patient = readme["client"], readme["patient"]
    assert client.base_url == "https://api.eu.residency.elevenlabs.io"
    assert client._engine.retry == RetryPolicy(attempts=8, timeout=300)
    assert (patient._engine.timeout, patient._engine.retry) == (120, None)


@pytest.mark.usefixtures("in_tmp_path")
async def test_bulk_requests_and_a_harvest_with_a_share(readme: Any, client: ConvAIClient, at_home: FakeConvAI) -> None:
    assert [each for each, _ in await readme["export_ratings"](client)] == list(at_home.conversations)
    await readme["harvest_beside_a_backend"]()
    with Archive.open("calls.db") as archive:
        assert archive.status().conversations == 250


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_tmp_path")
async def test_the_nightly_harvest(readme: Any, at_home: FakeConvAI, capsys: pytest.CaptureFixture[str]) -> None:
    await readme["nightly"]()
    assert capsys.readouterr().out.startswith("250 0 0\n")


async def test_the_test_of_a_user_s_code(readme: Any, fake_convai: FakeConvAI) -> None:
    await readme["test_my_code"](fake_convai)


async def test_the_test_of_a_user_s_code_with_conversations_of_their_own(readme: Any, fake_convai_factory: Any) -> None:
    await readme["test_my_own_conversations"](fake_convai_factory)


class TestWebBackend:
    @pytest.fixture
    async def fake(self) -> AsyncIterator[FakeConvAI]:
        async with FakeConvAI(conversations=30, audio_bytes=3_000_000) as service:
            yield service

    @pytest.fixture
    async def web(self, readme: Any, at_home: FakeConvAI) -> AsyncIterator[aiohttp.ClientSession]:
        """A session with the README's application, which uvicorn serves."""
        config = uvicorn.Config(readme["app"], port=0, log_config=None, lifespan="on")
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        host, port = server.servers[0].sockets[0].getsockname()
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            yield session
        await server.shutdown()

    async def test_a_call_is_json(self, web: aiohttp.ClientSession, fake: FakeConvAI) -> None:
        conversation_id = next(iter(fake.conversations))
        async with web.get(f"/calls/{conversation_id}") as reply:
            assert reply.status == 200
            said = (await reply.json())["said"]
        assert len(said) == len(fake.conversations.details(conversation_id)["transcript"])

    async def test_a_call_that_is_not_there_is_a_404(self, web: aiohttp.ClientSession) -> None:
        async with web.get("/calls/conv_none") as reply:
            assert reply.status == 404

    async def test_a_range_behind_the_end_is_a_416_and_an_impossible_id_a_404(
        self, web: aiohttp.ClientSession, fake: FakeConvAI
    ) -> None:
        recorded = next(filter(fake.conversations.has_audio, fake.conversations))
        async with web.get(f"/calls/{recorded}/audio", headers={"Range": "bytes=9000000-"}) as reply:
            assert reply.status == 416
        async with web.get("/calls/a%0Ab") as reply:
            assert reply.status == 404
            assert await reply.json() == {"detail": "no such conversation"}

    async def test_a_recording_is_passed_on_whole(self, web: aiohttp.ClientSession, fake: FakeConvAI) -> None:
        recorded = next(filter(fake.conversations.has_audio, fake.conversations))
        async with web.get(f"/calls/{recorded}/audio") as reply:
            assert reply.status == 200
            assert reply.content_type == "audio/mpeg"
            assert len(await reply.read()) == 3_000_000

    async def test_a_missing_recording_is_a_404_and_not_a_broken_200(
        self, web: aiohttp.ClientSession, fake: FakeConvAI
    ) -> None:
        silent = next(each for each in fake.conversations if not fake.conversations.has_audio(each))
        async with web.get(f"/calls/{silent}/audio") as reply:
            assert reply.status == 404

    async def test_listeners_who_stay_and_who_leave_give_their_place_back(
        self, web: aiohttp.ClientSession, fake: FakeConvAI, readme: Any
    ) -> None:
        recorded = next(filter(fake.conversations.has_audio, fake.conversations))
        limiter = readme["app"].state.convai._engine.limiter
        async with web.get(f"/calls/{recorded}/audio") as reply:
            await reply.read()
        for _ in range(3):
            async with web.get(f"/calls/{recorded}/audio") as reply:
                await reply.content.readexactly(10)
                reply.close()
        async with asyncio.timeout(10):
            while limiter.in_flight:
                await asyncio.sleep(0)


async def test_the_queries_answer_questions(client: ConvAIClient, tmp_path: Path) -> None:
    await harvest(client, tmp_path / "calls.db")
    connection = sqlite3.connect(tmp_path / "calls.db")
    answers = [connection.execute(query).fetchall() for query in blocks("sql")]
    connection.close()
    assert len(answers) == 3
    assert all(len(rows) > 1 for rows in answers)


async def test_waiting_and_watching(readme: Any, client: ConvAIClient, fake: FakeConvAI) -> None:
    conversation_id = next(iter(fake.conversations))
    source = next(block for block in blocks("python") if "async def after_a_call" in block)
    exec(compile(source.replace('"conv_1"', f'"{conversation_id}"'), "README.md", "exec"), readme)
    await readme["after_a_call"](client)
    async with client.conversations.watch(since=0) as watch:
        await anext(watch)
        saved = watch.token
    task = asyncio.create_task(readme["watch_forever"](client, saved))
    async with asyncio.timeout(20):
        while len(fake.requests("get_conversation")) < 10:
            await asyncio.sleep(0)
    task.cancel()


@pytest.mark.usefixtures("in_tmp_path")
async def test_a_webhook_lands_in_the_archive_and_the_harvest_adds_the_others(
    readme: Any, at_home: FakeConvAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELEVENLABS_WEBHOOK_SECRET", "wsec_1")
    conversation_id = next(iter(at_home.conversations))
    body = b'{"type": "post_call_transcription", "data": %s}' % at_home.conversations.document(conversation_id)
    now = int(time.time())
    digest = hmac.new(b"wsec_1", b"%d." % now + body, hashlib.sha256).hexdigest()
    transport = httpx.ASGITransport(readme["hooks"])
    async with httpx.AsyncClient(transport=transport, base_url="http://hooks") as web:
        forged = await web.post("/elevenlabs", content=body, headers={"elevenlabs-signature": f"t={now},v0=00"})
        assert forged.status_code == 401
        headers = {"elevenlabs-signature": f"t={now},v0={digest}"}
        assert (await web.post("/elevenlabs", content=body, headers=headers)).status_code == 200
    with Archive.open("calls.db") as archive:
        assert archive.get(conversation_id).conversation_id == conversation_id
    monkeypatch.setattr("convai_async.client.ConvAIClient.base_url", "https://api.elevenlabs.io")
    await readme["catch_what_webhooks_drop"]()
    with Archive.open("calls.db") as archive:
        assert archive.get(conversation_id) == Conversation.from_json(at_home.conversations.document(conversation_id))
        assert archive.status().conversations == 250


async def test_models_go_through_other_frameworks(readme: Any, at_home: FakeConvAI) -> None:
    conversation_id = next(iter(at_home.conversations))
    app = readme["litestar_app"]
    async with app.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://calls") as web:
        reply = await web.get(f"/calls/{conversation_id}")
        assert (await web.get("/calls/conv_none")).status_code == 404
    conversation = Conversation.from_json(at_home.conversations.document(conversation_id))
    assert Conversation.from_json(reply.content) == conversation
    async with ConvAIClient() as readme["app"].state.convai:
        transport = httpx.ASGITransport(readme["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://calls") as web:
            reply = await web.get(f"/calls/{conversation_id}/details")
    assert reply.json() == conversation.to_builtins()
    assert conversation.to_builtins()["conversation_id"] == conversation_id


def command(name: str) -> click.Command:
    found = command_line.get_command(click.Context(command_line), name)
    assert found is not None
    return found


def commands() -> list[list[str]]:
    lines = [line for block in blocks("bash") for line in block.replace("\\\n", " ").splitlines()]
    typed = [line.partition("convai-async ")[2].removesuffix(" &&") for line in lines if "convai-async " in line]
    return [shlex.split(line, comments=True) for line in typed]


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
@pytest.mark.usefixtures("in_tmp_path")
def test_every_command_of_the_readme_can_be_typed(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl.zst").touch()  # it must be there
    name, *rest = arguments
    command(name).make_context(name, rest)


def test_every_option_of_the_harvest_is_in_the_readme() -> None:
    options = [option for parameter in command("harvest").params for option in parameter.opts]
    assert [option for option in options if option.startswith("-") and not re.search(rf"{option}\b", README)] == []
    for name in command_line.list_commands(click.Context(command_line)):
        assert f"convai-async {name}" in README


def test_exit_codes_in_the_readme_are_those_of_the_help() -> None:
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |\n" in README


def test_the_tables_are_as_the_readme_says(tmp_path: Path) -> None:
    with ArchiveWriter(tmp_path / "calls.db", "here"):
        connection = sqlite3.connect(tmp_path / "calls.db")
        tables = README.partition("| table | a row is | columns |")[2].partition("\n\n")[0]
        rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (.*) \|$", tables, re.MULTILINE)
        assert len(rows) == 7
        for table, columns in rows:
            real = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            assert re.findall(r"`(\w+)`", columns) == real
        connection.close()
