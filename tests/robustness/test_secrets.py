"""The API key, signed URLs, tokens and proxy passwords are never printed, logged, pickled or saved."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import pickle
import socket
import stat
import struct
import tempfile
import traceback
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from every_endpoint import EXAMPLES, Example, Existing, create_existing
from multidict import CIMultiDict
from rich.pretty import pretty_repr
from threaded_service import ThreadedService

from convai_async import ConvAIClient, ConvAIError, RetryPolicy, endpoints
from convai_async.archive import Archive
from convai_async.cli._app import run
from convai_async.errors import APIStatusError, AuthenticationError, ConnectionFailedError, DecodeError
from convai_async.harvest import WorkspaceReport, harvest
from convai_async.testing import FakeConvAI, faults
from convai_async.testing.documents import AGENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest_plugins = ["postgres_fixtures"]

KEY = "sk_8f41c02d_never_shown"
PASSWORD = "proxy_pass_never_shown"
ONCE = RetryPolicy(attempts=2, wait_initial=0, wait_max=0)


async def download(client: ConvAIClient, existing: Existing) -> object:
    with tempfile.TemporaryDirectory() as folder:
        return await client.conversations.audio.download(existing.conversation_id, Path(folder, "a.mp3"))


async def list_all(client: ConvAIClient, _: Existing) -> object:
    return await client.conversations.list().collect()


async def request(client: ConvAIClient, _: Existing) -> object:
    return await client.request("GET", "/v1/convai/agents")


OPERATIONS: dict[str, Example] = EXAMPLES | {"download": download, "list_all": list_all, "request": request}
SECRET_ENDPOINTS = ("get_signed_url", "get_webrtc_token", "get_agent_link")

FAULTS: dict[str, faults.Fault] = {
    "none": lambda request, proceed: proceed(),
    "quoted in a message": faults.status(400, message=f"bad key {KEY}"),
    "quoted in a code": faults.status(401, KEY),
    "quoted in a header": faults.status(500, headers={"x-echo": KEY, "request-id": KEY}),
    "quoted in problems": faults.body(
        json.dumps({"detail": [{"loc": [KEY], "msg": KEY, "type": KEY}]}).encode(), code=422
    ),
    "quoted in text": faults.body(KEY.encode(), code=502, content_type="text/plain"),
    "quoted in a redirect": faults.redirect(f"https://elsewhere.example/{KEY}"),
    "dropped": faults.drop(),
    "reset": faults.drop(end="reset"),
    "invalid HTTP": faults.status(200, headers={"x": "x" * 100_000}),
    "invalid JSON": faults.body(b"<"),
    "wrong types": faults.body(b'{"signed_url": 5, "token": 5}'),
}


def render_error(error: BaseException) -> Iterator[str]:
    """Yield every text form of an error and of its causes."""
    yield "".join(traceback.format_exception(error))
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    chain: BaseException | None = error
    while chain is not None:
        yield f"{chain!s} {chain!r} {chain.args!r} {chain.__dict__!r} {pretty_repr(chain)}"
        chain = chain.__cause__ or chain.__context__
    yield repr(pickle.dumps(error))


def render_frames(error: BaseException) -> Iterator[str]:
    """Yield the local variables in all frames of an error and of its causes, as error reports such as Sentry's do."""
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        chain += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if frame.f_code.co_filename != __file__:
                yield from render_value(frame.f_locals)


def render_value(value: object, depth: int = 5) -> Iterator[str]:
    yield repr(value)
    if depth and isinstance(value, dict | CIMultiDict):
        for pair in value.items():
            yield from render_value(pair, depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from render_value(item, depth - 1)


@pytest.mark.parametrize("size", [1, 2_000_000], ids=["small", "large"])
@pytest.mark.parametrize("read", [0, 1, 100_000])
async def test_frames_of_a_connection_error_do_not_contain_the_key(read: int, size: int) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if read:
            await reader.read(read)
        linger = struct.pack("ii", 1, 0)  # closing resets
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    causes = 0
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        for _ in range(2):
            async with ConvAIClient(KEY, base_url=url, retry=ONCE) as client:
                for act in (
                    client.conversations.feedback.create("conv_1", feedback="like"),
                    client.conversations.files.create("conv_1", b"%" * size, filename="a.pdf"),
                    client.conversations.get("conv_1"),
                    client.conversations.delete("conv_1"),
                ):
                    with pytest.raises(ConnectionFailedError) as caught:
                        await act
                    assert_no_secret(render_frames(caught.value))
                    assert_no_secret(render_error(caught.value))
                    causes += caught.value.__cause__ is not None
    assert causes == 8, "the type and the text of the cause are kept"


@pytest.mark.parametrize(
    "body",
    [
        f'{{"conversation_id": {{"echo": "{KEY}"}}}}'.encode(),
        f'{{"conversation_id": "{KEY}"}}'.encode(),
        f'{{"conversation_id": "another", "\\u0073{KEY[1:]}": 1}}'.encode(),
        f"<html>{KEY}</html>".encode(),
    ],
    ids=["a value", "the id", "escaped", "text"],
)
async def test_decode_error_keeps_the_body_with_the_key_redacted(body: bytes) -> None:
    async with FakeConvAI(conversations=1, api_key=KEY) as fake, ConvAIClient(KEY, base_url=fake.url) as client:
        fake.faults.add(faults.body(body), times=None)
        with pytest.raises(DecodeError) as caught:
            await client.with_options(retry=None).conversations.get("conv_1")
        response = await client.send_raw(endpoints.get_conversation("conv_1"))
        assert response.body == body
        with pytest.raises(DecodeError) as raw:
            response.decode()
        fake.faults.clear()
        fake.faults.add(faults.body(body, content_type="text/html"), times=None)
        with pytest.raises(DecodeError) as audio:
            await client.with_options(retry=None).conversations.audio.stream("conv_1").__aenter__()
    for error in (caught.value, raw.value, audio.value):
        assert_no_secret([str(error), repr(error), repr(error.__dict__), repr(pickle.dumps(error))])
        assert_no_secret(render_frames(error))
        assert b"***" in error.body


@pytest.mark.parametrize("key", ["key", "i", "invalid"])
async def test_short_key_is_not_redacted(key: str) -> None:
    body = b'{"detail": {"status": "invalid_api_key", "message": "it is an invalid key"}}'
    async with FakeConvAI(conversations=1, api_key=key) as fake, ConvAIClient(key, base_url=fake.url) as client:
        fake.faults.add(faults.body(body, code=401))
        with pytest.raises(AuthenticationError) as caught:
            await client.conversations.list()
    error = caught.value
    assert (error.code, error.message, error.body) == ("invalid_api_key", "it is an invalid key", body)


@pytest.mark.parametrize("key", ["detail_1", "12345678", "message_", '"detail"', "null,tru"])
async def test_redacting_a_key_that_looks_like_json_keeps_the_response_readable(key: str) -> None:
    detail = {"code": f"no {key}", "message": key, "n": [None, True, 12345678]}
    body = json.dumps({"detail": detail, key: key}).encode()
    async with FakeConvAI(conversations=1, api_key=key) as fake, ConvAIClient(key, base_url=fake.url) as client:
        fake.faults.add(faults.body(body, code=400))
        with pytest.raises(ConvAIError) as caught:
            await client.conversations.list()
    assert isinstance(caught.value, APIStatusError)
    assert (caught.value.code, caught.value.message) == ("no ***", "***")
    assert json.loads(caught.value.body)["***"] == "***"


def assert_no_secret(texts: Iterator[str] | list[str], *secrets: str) -> None:
    for text in texts:
        for secret in (KEY, PASSWORD, *secrets):
            assert secret not in text, f"{secret} is in: {text[:2000]}"


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "fault"), list(product(OPERATIONS, FAULTS)))
async def test_errors_results_and_logs_of_every_operation_do_not_contain_the_key(
    operation: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    async with (
        FakeConvAI(conversations=12, api_key=KEY, audio_bytes=1000) as fake,
        ConvAIClient(KEY, base_url=fake.url, retry=ONCE) as client,
    ):
        existing = await create_existing(client, fake.conversations)
        fake.faults.add(FAULTS[fault], times=None)
        try:
            result = await OPERATIONS[operation](client, existing)
        except ConvAIError as error:
            assert_no_secret(render_error(error))
        else:
            assert_no_secret([f"{result!r} {result!s} {pretty_repr(result)}"], *find_secrets(result))
    assert_no_secret([f"{record.getMessage()} {record.__dict__!r}" for record in caplog.records])
    assert_no_secret([caplog.text])


def find_secrets(result: Any) -> list[str]:
    """Return the secrets that a result contains."""
    token = getattr(result, "token", None)
    found = [getattr(result, "signed_url", None), getattr(token, "conversation_token", token)]
    return [each for each in found if isinstance(each, str)]


async def test_results_give_secrets_as_attributes_but_not_in_their_repr() -> None:
    async with FakeConvAI(conversations=1, api_key=KEY) as fake, ConvAIClient(KEY, base_url=fake.url) as client:
        for name in SECRET_ENDPOINTS:
            result = await EXAMPLES[name](client, Existing(agent_id=AGENTS[0][0]))
            (secret,) = find_secrets(result)
            assert len(secret) > 10
            assert_no_secret([repr(result), str(result), pretty_repr([result])], secret)
        raw = await client.send_raw(endpoints.get_signed_url(AGENTS[0][0]))
        assert_no_secret([repr(raw), str(raw), pretty_repr(raw)], raw.decode().signed_url)


@pytest.mark.parametrize("settings", [{}, {"region": "euu"}, {"timeout": -1}, {"base_url": "ftp://x"}])
def test_error_of_an_invalid_client_does_not_contain_the_key(settings: dict[str, Any]) -> None:
    key = KEY + ("\n" if not settings else "")
    with pytest.raises(ConvAIError) as caught:
        ConvAIClient(key, **settings)
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    del trace.stack[0]  # this function's own
    assert_no_secret(["".join(trace.format())])


@pytest.mark.parametrize("name", SECRET_ENDPOINTS)
async def test_decode_error_of_a_secret_does_not_contain_it(name: str) -> None:
    async with FakeConvAI(conversations=1, api_key=KEY) as fake, ConvAIClient(KEY, base_url=fake.url) as client:
        secret = "wss://the_secret"
        body = {"signed_url": [secret], "token": [secret]}
        fake.faults.add(faults.body(json.dumps(body).encode()))
        with pytest.raises(DecodeError) as caught:
            await EXAMPLES[name](client, Existing())
    error = caught.value
    assert_no_secret([str(error), repr(error), repr(error.__dict__), repr(pickle.dumps(error))], secret)
    assert error.__traceback__ is not None
    assert_no_secret(
        render_error(error.with_traceback(error.__traceback__.tb_next)), secret
    )  # less this test's own frame


async def test_no_object_in_memory_has_the_key_in_its_repr(tmp_path: Path) -> None:
    async with FakeConvAI(conversations=3, api_key=KEY) as fake, ConvAIClient(KEY, base_url=fake.url) as client:
        other = client.with_options(timeout=5)
        paginator = client.conversations.list()
        async with (
            client.conversations.audio.stream(next(filter(fake.conversations.has_audio, fake.conversations))),
            client.conversations.get_many(list(fake.conversations)) as results,
            paginator.prefetch() as summaries,
            client.conversations.watch(since=0) as watch,
            client.conversations.connect(AGENTS[0][0]) as live,
        ):
            await anext(live)
            await anext(summaries)
            await anext(results)
            await anext(watch)
            seen = set()
            for each in gc.get_objects():
                module = str(type(each).__module__)
                if module.startswith("convai_async") and "testing" not in module:
                    seen.add(type(each).__name__)
                    assert_no_secret([repr(each), "" if isinstance(each, str) else str(each)])
        assert {"ConvAIClient", "Session", "Engine", "Paginator", "Request"} <= seen
        assert {"AudioStream", "Watch", "LiveConversation"} <= seen
        assert repr(other) == repr(client)


async def test_error_of_a_proxy_does_not_contain_its_password(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port_factory: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("http_proxy", f"http://user:{PASSWORD}@127.0.0.1:{unused_tcp_port_factory()}")
    async with ConvAIClient(KEY, base_url="http://service.example", retry=ONCE, trust_env=True) as client:
        with pytest.raises(ConvAIError) as caught:
            await client.conversations.list()
    assert_no_secret(["".join(traceback.format_exception(caught.value)), repr(caught.value), caplog.text])


def find_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_files_do_not_contain_the_key_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    archive = tmp_path / "calls.db"
    before = os.umask(0)
    try:
        async with FakeConvAI(conversations=12, api_key=KEY, audio_bytes=1000) as fake:
            fake.faults.add(faults.status(403, message=f"not with {KEY}"), operation="get_conversation", times=2)
            async with ConvAIClient(KEY, base_url=fake.url, retry=ONCE) as client:
                modes = set()

                def record_modes(_: object) -> None:
                    modes.update({(path.name, stat.S_IMODE(path.stat().st_mode)) for path in find_files(tmp_path)})

                await harvest(client, archive, audio=True, progress=record_modes)
        with Archive.open(archive) as opened:
            assert len(opened.failures()) + opened.status().conversations == 12
            for name in ("a.jsonl", "a.jsonl.gz", "a.csv", "a.parquet"):
                opened.export(tmp_path / name)
            opened.export(tmp_path / "by-day.parquet", partition=True)
    finally:
        os.umask(before)
    record_modes(None)
    assert {mode & 0o077 for _, mode in modes} == {0}, modes
    assert {"calls.db", "calls.db-wal", "a.parquet"} <= {name for name, _ in modes}
    folders = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    for path in find_files(tmp_path):
        assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "--json"],
        ["show", "conv_1"],
        ["harvest", "ARCHIVE"],
        ["harvest", "ARCHIVE", "--json"],
        ["harvest", "--workspaces", "WORKSPACES"],
        ["harvest", "--workspaces", "WORKSPACES", "--json"],
        ["status", "ARCHIVE"],
        ["report", "ARCHIVE"],
        ["datasette", "ARCHIVE"],
        ["steps", "status", "ARCHIVE"],
        ["delete", "conv_1", "--yes"],
        ["talk", "agent_x"],
        ["--help"],
        ["harvest", "--help"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("fault", ["none", "quoted in a message", "quoted in problems", "quoted in text"])
def test_command_line_does_not_print_the_key(
    arguments: list[str],
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    archive = str(tmp_path / "calls.db")
    with ThreadedService(conversations=3, api_key=KEY) as fake:
        fake.faults.add(FAULTS[fault], operation="get_conversation", times=None)
        is_offline = arguments[0] in {"status", "datasette", "report", "steps"}
        has_address = is_offline or "--help" in arguments or "WORKSPACES" in arguments
        address = [] if has_address else ["--base-url", fake.url]
        workspaces = tmp_path / "workspaces.toml"
        workspaces.write_text(
            '[[workspaces]]\nname = "acme"\nkey = "env:ELEVENLABS_API_KEY"\narchive = "calls.db"\n'
            f'base_url = "{fake.url}"\n'
        )
        files = {"ARCHIVE": archive, "WORKSPACES": str(workspaces)}
        if is_offline:
            run(["harvest", archive, "--base-url", fake.url])
        with suppress(SystemExit):
            run([files.get(each, each) for each in arguments] + address)
    captured = capsys.readouterr()
    assert captured.out + captured.err
    assert_no_secret([captured.out, captured.err])


def test_worker_and_its_commands_print_neither_the_key_nor_the_password(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from convai_async.workers import run_worker  # noqa: PLC0415 - slow to import

    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    password = postgres_url.split(":")[2].partition("@")[0]
    stop, notes = anyio.Event(), list[str]()

    def note(report: WorkspaceReport) -> None:
        notes.append(repr(report))
        if report.status in {"done", "failed"}:
            stop.set()

    with ThreadedService(conversations=3, api_key=KEY) as fake:
        fake.faults.add(FAULTS["quoted in a message"], operation="list_conversations", times=None)
        key = ["--key", "env:ELEVENLABS_API_KEY", "--base-url", fake.url]
        assert run(["workspaces", "add", postgres_url, "acme", *key]) == 0
        asyncio.run(run_worker(postgres_url, progress=note, stop=stop))
    for command in (
        ["status"],
        ["status", "--json"],
        ["list"],
        ["list", "--json"],
        ["remove", "acme"],
        ["add", "acme"],
    ):
        run(["workspaces", command[0], postgres_url, *command[1:]])
    captured = capsys.readouterr()
    printed = [captured.out, captured.err, *notes]
    assert "failed" in captured.out
    assert_no_secret(printed)
    assert password not in "".join(printed)
