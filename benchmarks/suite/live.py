"""Benchmarks of live conversations, with several at once in one process."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
import urllib.request
import warnings
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.benchmark import Benchmark, Context, Implementation
from benchmarks.clients import KEY, OURS
from benchmarks.memory import read_peak_mib, reset_peak
from convai_async import ConvAIClient
from convai_async.live import AgentResponse, AudioChunk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager

_CHUNK_SECS = 0.1
_CHUNK = bytes(3200)
_TURN_SECS = 1.0
_AT_ONCE = 25
"""So many conversations are opened at the same time."""


class Session(msgspec.Struct):
    """A conversation.

    Attributes:
        send_text: Sends a text of the user.
        send_audio: Sends audio of the user.
    """

    send_text: Callable[[str], Awaitable[Any]]
    send_audio: Callable[[bytes], Awaitable[Any]]


class Figures(msgspec.Struct):
    """What was measured.

    Attributes:
        round_trips: The seconds from each message to its answer.
        pongs: The seconds from each ping to its pong, measured by the server.
        core_share: How much of a CPU core one conversation used, in percent.
        memory: The memory of a conversation in KiB.
    """

    round_trips: list[float]
    pongs: list[float]
    core_share: float
    memory: float


@asynccontextmanager
async def open_convai_async(client: ConvAIClient, answer: Callable[[], None]) -> AsyncIterator[Session]:
    """Open a conversation of convai_async."""
    async with client.conversations.connect("agent_1", authorization="none") as live:

        async def read() -> None:
            async for event in live:
                if isinstance(event, AgentResponse) or (isinstance(event, AudioChunk) and event.data):
                    answer()

        reading = asyncio.create_task(read())
        yield Session(live.send_text, live.send_audio)
        await live.close()
        await reading


@asynccontextmanager
async def open_official_sdk(client: Any, answer: Callable[[], None]) -> AsyncIterator[Session]:
    """Open an AsyncConversation of the official SDK."""
    from elevenlabs.conversational_ai.conversation import AsyncAudioInterface, AsyncConversation  # noqa: PLC0415 - takes seconds

    started: asyncio.Future[Callable[[bytes], Awaitable[None]]] = asyncio.get_running_loop().create_future()

    class Audio(AsyncAudioInterface):
        async def start(self, input_callback: Callable[[bytes], Awaitable[None]]) -> None:
            started.set_result(input_callback)

        async def output(self, audio: bytes) -> None:  # noqa: ARG002 - the SDK passes it
            answer()

        async def interrupt(self) -> None:
            pass

        async def stop(self) -> None:
            pass

    async def receive_text(_text: str) -> None:
        answer()

    conversation: Any = AsyncConversation(
        client, "agent_1", requires_auth=False, audio_interface=Audio(), callback_agent_response=receive_text
    )
    await conversation.start_session()
    yield Session(conversation.send_user_message, await started)
    await conversation.end_session()
    await conversation.wait_for_session_end()


@asynccontextmanager
async def _create_sdk_client(url: str) -> AsyncIterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from elevenlabs.client import ElevenLabs  # noqa: PLC0415 - takes seconds
    yield ElevenLabs(api_key=KEY, base_url=url)


_CLIENTS: dict[str, tuple[Callable[[str], AbstractAsyncContextManager[Any]], Any]] = {
    OURS: (lambda url: ConvAIClient(KEY, base_url=url), open_convai_async),
    "elevenlabs (official SDK)": (_create_sdk_client, open_official_sdk),
}


async def hold_conversations(name: str, sessions: int, seconds: float, *, audio: bool) -> Figures:
    """Hold conversations at the same time, each with a turn per second or with continuous audio in both directions."""
    create_client, open_session = _CLIENTS[name]
    round_trips: list[float] = []
    opened, begin, gate = asyncio.Semaphore(0), asyncio.Event(), asyncio.Semaphore(_AT_ONCE)
    pause = _CHUNK_SECS if audio else _TURN_SECS

    async def talk(client: Any, number: int) -> None:
        asked: deque[float] = deque()
        answered = asyncio.Event()

        def answer() -> None:
            round_trips.append(time.perf_counter() - asked.popleft())
            answered.set()

        async with AsyncExitStack() as stack:
            async with gate:
                session = await stack.enter_async_context(open_session(client, answer))
            opened.release()
            await begin.wait()
            loop = asyncio.get_running_loop()
            due = loop.time() + pause * number / sessions
            end = due + max(seconds, pause)
            while due < end:
                await asyncio.sleep(due - loop.time())
                asked.append(time.perf_counter())
                await (session.send_audio(_CHUNK) if audio else session.send_text("Where is my order?"))
                due += pause
            while asked:
                answered.clear()
                await answered.wait()

    with run_live_service() as url:
        async with create_client(url) as client, asyncio.TaskGroup() as group:
            reset_peak()
            before = read_peak_mib()
            talking = [group.create_task(talk(client, number)) for number in range(sessions)]
            for _ in range(sessions):
                await opened.acquire()
            began, cpu = time.perf_counter(), time.process_time()
            begin.set()
            await asyncio.wait(talking, timeout=max(seconds, pause))
            share = (time.process_time() - cpu) / (time.perf_counter() - began)
            pongs = await asyncio.to_thread(_fetch_pongs, url)
            memory = (read_peak_mib() - before) * 1024 / sessions
    return Figures(round_trips, pongs, share / sessions * 100, memory)


@contextmanager
def run_live_service() -> Iterator[str]:
    """Run the server in another process, and yield its URL."""
    command = [sys.executable, "-m", "benchmarks.live_service"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("the process has no standard output")
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


def _fetch_pongs(url: str) -> list[float]:
    with urllib.request.urlopen(f"{url}/pongs", timeout=10) as response:  # noqa: S310 - our own server
        return msgspec.json.decode(response.read(), type=list[float])


def compute_99th_percentile(values: list[float]) -> float:
    """Return the 99th percentile in milliseconds."""
    return 1000 * (statistics.quantiles(values, n=100)[-1] if len(values) > 1 else values[0])


def _build_benchmark(
    title: str, unit: str, read: Callable[[Figures], float], *, counts: tuple[int, ...], audio: bool = True
) -> Benchmark:
    async def measure(name: str, sessions: int, context: Context) -> float:
        return read(await hold_conversations(name, sessions, context.seconds, audio=audio))

    implementations: dict[str, Implementation] = {}
    for name in _CLIENTS:
        for sessions in counts:
            label = name if sessions == counts[0] else f"{name}, {sessions} at once"
            implementations[label] = partial(measure, name, sessions)
    return Benchmark(title=title, unit=unit, implementations=implementations, rounds=3, seconds=5.0)


TURN = _build_benchmark(
    "Time from a text in a live conversation to its response, 99th percentile",
    "ms",
    lambda figures: compute_99th_percentile(figures.round_trips),
    counts=(1, 50, 500),
    audio=False,
)
AUDIO = _build_benchmark(
    "Time from 100 ms of audio in a live conversation to the answer, 99th percentile",
    "ms",
    lambda figures: compute_99th_percentile(figures.round_trips),
    counts=(1, 50, 500),
)
PONG = _build_benchmark(
    "Maximum time from a ping to its pong, 500 live conversations with audio in both directions",
    "ms",
    lambda figures: max(figures.pongs) * 1000,
    counts=(500,),
)
CPU = _build_benchmark(
    "CPU of a live conversation with audio in both directions, 50 at once",
    "% of a core",
    lambda figures: figures.core_share,
    counts=(50,),
)
MEMORY = _build_benchmark(
    "Memory of a live conversation with audio in both directions, 500 at once",
    "KiB",
    lambda figures: figures.memory,
    counts=(500,),
)
