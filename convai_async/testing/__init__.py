"""A fake service for tests, with faults on demand.

`FakeConvAI` is a real HTTP server with made-up conversations and your own; the pytest fixtures ``fake_convai`` and
``fake_convai_factory`` run it. `faults` is what can go wrong with it. `MockedClientResponse` makes aioresponses work
with today's aiohttp.
"""

from convai_async.testing import faults
from convai_async.testing.corpus import Corpus
from convai_async.testing.fake import FakeConvAI
from convai_async.testing.mocked_response import MockedClientResponse
from convai_async.testing.recorded import RecordedRequest, RecordedRequests
from convai_async.testing.rules import Faults
from convai_async.testing.state import UploadedFile

__all__ = [
    "Corpus",
    "FakeConvAI",
    "Faults",
    "MockedClientResponse",
    "RecordedRequest",
    "RecordedRequests",
    "UploadedFile",
    "faults",
]
