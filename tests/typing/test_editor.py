"""An editor with pyright completes the filters by name, and shows the description of each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import endpoints

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(sys.executable).with_name("pyright-langserver")
ROOT = Path(__file__).parents[2]
URI = (ROOT / "tests/typing/editor_example.py").as_uri()
TEXT = """\
from convai_async import ConvAIClient

def search(client: ConvAIClient) -> None:
    client.conversations.list(sort_direction="asc")
    client.conversations.messages.text_search("refund", rating_max=5)
    client.conversations.list(agent_id="agent_1", )
    client.conversations.messages.text_search("refund", agent_id="agent_1", )
"""

pytestmark = pytest.mark.skipif(not SERVER.exists(), reason="pyright is not installed")


class Editor:
    """A client of the language server."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._sent = 0
        settings: dict[str, Any] = {
            "processId": None,
            "rootUri": ROOT.as_uri(),
            "workspaceFolders": [{"uri": ROOT.as_uri(), "name": "convai_async"}],
            "capabilities": {"workspace": {"configuration": True}},
        }
        self.request("initialize", settings)
        self._send({"method": "initialized", "params": {}})
        document = {"uri": URI, "languageId": "python", "version": 1, "text": TEXT}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})

    def request_at(self, method: str, line: int, text: str) -> Any:
        """Send a request for the position after a text."""
        character = TEXT.splitlines()[line].index(text) + len(text)
        position = {"line": line, "character": character}
        return self.request(method, {"textDocument": {"uri": URI}, "position": position})

    def request(self, method: str, params: dict[str, Any]) -> Any:
        self._sent += 1
        self._send({"id": self._sent, "method": method, "params": params})
        while True:
            message = self._receive()
            if "method" not in message and message.get("id") == self._sent:
                return message["result"]
            if message.get("method") == "workspace/configuration":
                python = [{"pythonPath": sys.executable} for _ in message["params"]["items"]]
                self._send({"id": message["id"], "result": python})
            elif "method" in message and "id" in message:  # another request of the server
                self._send({"id": message["id"], "result": None})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while header := self._process.stdout.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, "the language server ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    command = [str(SERVER), "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        yield Editor(process)
        process.kill()


@pytest.mark.parametrize(("line", "known"), [(5, endpoints.ConversationFilters), (6, endpoints.MessageFilters)])
def test_editor_completes_every_filter_by_name(editor: Editor, line: int, known: type) -> None:
    completions = editor.request_at("textDocument/completion", line, 'agent_id="agent_1", ')["items"]
    names = {item["label"].removesuffix("=") for item in completions if item["label"].endswith("=")}
    assert names - {"text_query"} == known.__annotations__.keys() - {"agent_id"}


@pytest.mark.parametrize(
    ("line", "name", "description"),
    [
        (3, "sort_direction", "The order by start time"),
        (4, "rating_max", "Only conversations with an overall rating of at most this number"),
    ],
)
def test_editor_shows_the_description_of_a_filter(editor: Editor, line: int, name: str, description: str) -> None:
    assert description in str(editor.request_at("textDocument/hover", line, name[:-1]))
