"""Log records and OpenTelemetry spans of requests."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from convai_async import ConvAIClient
from convai_async.errors import ConnectionFailedError
from convai_async.testing import faults

if TYPE_CHECKING:
    from convai_async.testing import FakeConvAI


async def test_every_request_is_logged_with_its_details(
    client: ConvAIClient, fake: FakeConvAI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "convai_async")
    fake.faults.add(faults.status(503))
    conversation_id = next(iter(fake.conversations))
    await client.conversations.get(conversation_id)
    records: list[Any] = [record for record in caplog.records if record.name == "convai_async"]
    failed, retry, succeeded = records
    assert (failed.method, failed.status, succeeded.status) == ("GET", 503, 200)
    assert (retry.attempt, retry.status) == (1, 503)
    assert retry.request_id == failed.request_id
    assert retry.request_id
    assert retry.wait_secs == 0
    assert succeeded.path == f"/v1/convai/conversations/{conversation_id}"
    assert 0 <= succeeded.duration_secs < 60
    assert succeeded.request_id in succeeded.getMessage()
    said = fake.conversations.details(conversation_id)["transcript"][0]["message"]
    assert not any(text in caplog.text for text in (fake.api_key, said))


async def test_stream_is_logged(client: ConvAIClient, fake: FakeConvAI, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "convai_async")
    recorded = next(filter(fake.conversations.has_audio, fake.conversations))
    async with client.conversations.audio.stream(recorded):
        pass
    (record,) = [record for record in caplog.records if record.name == "convai_async"]
    assert getattr(record, "status", None) == 200
    assert getattr(record, "path", "").endswith(f"{recorded}/audio")
    assert getattr(record, "request_id", None)


async def test_lost_connection_is_logged(fake: FakeConvAI, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "convai_async")
    fake.faults.add(faults.drop(), times=None)
    async with ConvAIClient(fake.api_key, base_url=fake.url, retry=None) as client:
        with pytest.raises(ConnectionFailedError):
            await client.conversations.list()
    (record,) = [record for record in caplog.records if record.name == "convai_async"]
    assert getattr(record, "status", 0) is None


async def test_nothing_is_logged_without_a_handler(client: ConvAIClient, capfd: pytest.CaptureFixture[str]) -> None:
    await client.conversations.list()
    assert capfd.readouterr() == ("", "")


async def test_opentelemetry_sees_each_request(fake: FakeConvAI) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = create_trace_config(tracer_provider=provider)
    async with ConvAIClient(fake.api_key, base_url=fake.url, trace_configs=[tracing]) as client:
        await client.conversations.list(page_size=1)
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None
    assert 200 in span.attributes.values()
    assert fake.api_key not in span.to_json()
