"""A minimal server that sends rendered documents, so that it is not the bottleneck.

    python -m benchmarks.service DOCUMENTS CONVERSATIONS RESPONSE_DELAY_SECS

It prints its port, and serves until its standard input is closed. ``/cpu`` returns the CPU seconds that it used.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlsplit

import msgspec
import uvloop

from benchmarks import documents

AUDIO_BYTES = 64 * 1024 * 1024
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\nrequest-id: req_1\r\n\r\n"


class Responses:
    """Builds the responses.

    Args:
        rendered: The documents to send.
        conversations: The number of conversations.
    """

    def __init__(self, rendered: documents.Documents, conversations: int) -> None:
        self._details = [_split_at_value(document, "conversation_id") for document in rendered.with_quirks]
        lines = msgspec.json.decode(rendered.page)["conversations"]
        self._lines = [_split_at_value(msgspec.json.encode(line), "conversation_id") for line in lines]
        self._conversations = conversations
        self._audio = _build_response("audio/mpeg", b"\0" * AUDIO_BYTES)

    def details(self, conversation_id: str) -> bytes:
        """Return the response for a conversation."""
        before, after = self._details[int(conversation_id[5:]) % len(self._details)]
        return _build_response("application/json", b"".join((before, conversation_id.encode(), after)))

    def page(self, query: dict[str, list[str]]) -> bytes:
        """Return the response for a page of the list."""
        first, end = 0, self._conversations
        if "call_start_before_unix" in query:
            first = documents.number_started_by(int(query["call_start_before_unix"][0]))
        if "call_start_after_unix" in query:
            end = min(end, documents.number_started_by(int(query["call_start_after_unix"][0]) - 1))
        if "cursor" in query:
            first = int(query["cursor"][0])
        last = min(first + int(query["page_size"][0]), end)
        lines = b",".join(self._build_line(number) for number in range(first, last))
        more = b'"%d","has_more":true' % last if last < end else b'null,"has_more":false'
        return _build_response("application/json", b'{"conversations":[%s],"next_cursor":%s}' % (lines, more))

    def audio(self) -> bytes:
        """Return the response for a recording."""
        return self._audio

    def _build_line(self, number: int) -> bytes:
        before, after = self._lines[number % len(self._lines)]
        after = after.replace(
            b'"start_time_unix_secs":', b'"start_time_unix_secs":%d,"_":' % documents.start_time_of(number)
        )
        return b"".join((before, documents.conversation_id(number).encode(), after))


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection with one request at a time.

    Args:
        responses: What to run.
        response_delay_secs: The mean delay of a conversation or a page; delays vary by half of it.
    """

    def __init__(self, responses: Responses, response_delay_secs: float) -> None:
        self._responses = responses
        self._response_delay_secs = response_delay_secs
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Run the requests that are complete."""
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            self._answer(request.split(b" ", 2)[1].decode())

    def _answer(self, target: str) -> None:
        path = target.partition("?")[0].removeprefix("/v1/convai/conversations")
        if path == "":
            self._send_later(self._responses.page(parse_qs(urlsplit(target).query)))
        elif path.endswith("/audio"):
            self._send(self._responses.audio())
        elif path == "/cpu":
            self._send(_build_response("application/json", b"%f" % time.process_time()))
        else:
            self._send_later(self._responses.details(path[1:]))

    def _send_later(self, response: bytes) -> None:
        if self._response_delay_secs:
            seconds = random.uniform(0.5, 1.5) * self._response_delay_secs  # noqa: S311 - not a secret
            asyncio.get_running_loop().call_later(seconds, self._send, response)
        else:
            self._send(response)

    def _send(self, response: bytes) -> None:
        self._transport.write(response)


def _split_at_value(document: bytes, field: str) -> tuple[bytes, bytes]:
    """Return the document before and after the value of a text field."""
    before, opening, rest = document.partition(b'"%s":"' % field.encode())
    return before + opening, rest[rest.index(b'"') :]


def _build_response(content_type: str, body: bytes) -> bytes:
    return _HEAD.format(content_type, len(body)).encode() + body


async def serve(rendered: Path, conversations: int, response_delay_secs: float) -> None:
    """Serve until standard input is closed."""
    responses = Responses(documents.read(rendered), conversations)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(responses, response_delay_secs), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
