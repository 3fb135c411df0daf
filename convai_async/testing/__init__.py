"""A fake service for tests, with faults on demand.

`FakeConvAI` is a real HTTP server with made-up conversations; the pytest fixture ``fake_convai`` runs one.
`faults` is what can go wrong with it. `MockedClientResponse` makes aioresponses work with today's aiohttp.
"""

from convai_async.testing import faults
from convai_async.testing.corpus import Corpus
from convai_async.testing.fake import FakeConvAI, RecordedRequest
from convai_async.testing.mocked_response import MockedClientResponse

__all__ = ["Corpus", "FakeConvAI", "MockedClientResponse", "RecordedRequest", "faults"]
