"""Runs every operation of a client and compares the results with the data of the service."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from convai_async import ConvAIClient, ConvAIError, endpoints
from convai_async.harvest import harvest
from convai_async.models import Conversation

if TYPE_CHECKING:
    from pathlib import Path

    from convai_async.testing import Corpus


class World:
    """A client, the data of its service, and operations that compare the two."""

    def __init__(self, conversations: Corpus, client: ConvAIClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.ids = list(conversations)
        self.documents = {each: conversations.document(each) for each in self.ids}
        self.recorded = next(each for each in self.ids if conversations.has_audio(each))
        self.recording = b""

    async def load_recording(self) -> None:
        """Load the recording to compare with, before faults are added."""
        async with self.client.conversations.audio.stream(self.recorded) as recording:
            self.recording = b"".join([chunk async for chunk in recording])

    async def list(self) -> None:
        assert [summary.conversation_id async for summary in self.client.conversations.list(page_size=7)] == self.ids

    async def prefetch(self) -> None:
        async with self.client.conversations.list(page_size=7).prefetch() as summaries:
            assert [summary.conversation_id async for summary in summaries] == self.ids

    async def get_raw(self) -> None:
        response = await self.client.send_raw(endpoints.get_conversation(self.ids[0]))
        response.decode()
        assert response.body == self.documents[self.ids[0]]

    async def get_many(self) -> None:
        seen = set()
        errors = []
        async with self.client.conversations.get_many(self.ids) as results:
            async for result in results:
                seen.add(result.conversation_id)
                if result.error is not None:
                    errors.append(result.error)
                else:
                    assert result.conversation == Conversation.from_json(self.documents[result.conversation_id])
        assert seen == set(self.ids)
        if errors:
            raise errors[0]

    async def stream(self) -> None:
        async with self.client.conversations.audio.stream(self.recorded) as recording:
            assert b"".join([chunk async for chunk in recording]) == self.recording

    async def download(self) -> None:
        path = self.folder / "call.mp3"
        try:
            await self.client.conversations.audio.download(self.recorded, path)
            assert path.read_bytes() == self.recording
            path.unlink()
        finally:
            assert list(self.folder.glob("*call.mp3*")) == []

    async def harvest(self) -> None:
        path = self.folder / "calls.db"
        try:
            await harvest(self.client, path)
        finally:
            with sqlite3.connect(path) as connection:
                rows = dict(
                    connection.execute("SELECT conversation_id, raw FROM conversations WHERE decode_error IS NULL")
                )
                ((intact,),) = connection.execute("PRAGMA integrity_check").fetchall()
            connection.close()
        assert intact == "ok"
        assert all(raw == self.documents[conversation_id] for conversation_id, raw in rows.items())
        if rows.keys() != set(self.ids):
            raise ConvAIError("the harvest is incomplete")


OPERATIONS = ("list", "prefetch", "get_raw", "get_many", "stream", "download", "harvest")
