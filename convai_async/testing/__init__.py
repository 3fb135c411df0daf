"""A fake ElevenLabs service for tests, with fault injection.

`FakeConvAI` is a real HTTP server with generated conversations, to which you can `FakeConvAI.add` your own. The pytest
fixtures ``fake_convai`` and ``fake_convai_factory`` run it. `faults` has the faults that it can inject.
`convai_async.testing.live` is about its live conversations.
`MockedClientResponse` makes aioresponses work with aiohttp 3.14 and newer.
"""

from convai_async.testing import faults
from convai_async.testing.corpus import Corpus
from convai_async.testing.fake import FakeConvAI
from convai_async.testing.fault_rules import Faults
from convai_async.testing.mocked_response import MockedClientResponse
from convai_async.testing.recorded_requests import RecordedRequest, RecordedRequests
from convai_async.testing.uploaded_files import UploadedFile

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
