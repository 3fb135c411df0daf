"""Every function in the documentation runs: here, or in the test that is named for it."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from documentation import EXAMPLES, Example, parameters

from convai_async import ConvAIClient
from convai_async.models import Conversation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from convai_async.testing import FakeConvAI

ARGUMENTS = {
    "archive",
    "client",
    "conversation",
    "conversation_id",
    "conversation_ids",
    "fake_convai",
    "fake_convai_factory",
    "parquet",
    "saved",
}
"""The names of parameters that the test here knows a value for."""

ELSEWHERE = {
    # test_dlt_page.py
    "dlt": {"load", "load_all", "load_again"},
    # test_engine_examples.py
    "engines_calls": {"harvest_workspace", "harvest_blocking"},
    "engines_airflow": {"harvest_one", "harvest_workspaces"},
    "engines_prefect": {"is_retryable", "harvest_one", "harvest_workspaces"},
    "engines_dagster": {"calls", "nightly"},
    "engines_taskiq": {"harvest_one"},
    "engines_arq": {"harvest_one", "start_all"},
    "engines_celery": {"harvest_one"},
    # test_distributed_page.py
    "distributed": {"harvest_now"},
    # test_guide_examples.py
    "conversations": {"watch_forever"},
    "live": {"lookup_order", "with_tools", "call", "speak_file", "supervise"},
    "workers_handle": {"handle"},
    "live_dialogues": {
        "lookup_order",
        "results",
        "test_agent_replies_in_time",
        "test_agent_asks_for_the_number_and_looks_the_order_up",
        "test_agent_hangs_up_after_a_goodbye",
    },
    # test_workspaces_page.py
    "workspaces": {"nightly", "read_from_vault", "open_client", "nightly_with_vault"},
    # test_questions.py
    "questions": {"open_tables"},
    "dataframes_archive": {"latency_by_tool", "latency_by_metric"},
    # test_web_examples.py
    "web_fastapi": {"lifespan", "not_found", "not_available", "call", "details", "open_recording", "audio"},
    "web_litestar": {"lifespan", "call"},
    "web_starlette": {"lifespan", "call"},
    "web_aiohttp_web": {"lifespan", "call", "audio", "handle_errors"},
    "web_quart": {"lifespan", "call"},
    "webhooks": {"elevenlabs"},
    # test_worker_examples.py
    "workers_taskiq": {"open_client", "close_client", "summarize"},
    "workers_arq": {"startup", "shutdown", "summarize"},
    "workers_celery": {"open_client", "close_client", "summarize"},
    "workers_dramatiq": {"print_status"},
    "workers_lambda_sqs": {"handler", "handle_batch", "handle_record"},
}
"""Functions that need more than arguments, by example, with the file that runs them."""


FUNCTIONS = [
    pytest.param(example, name, id=f"{example.name}-{name}")
    for example in EXAMPLES.values()
    for name in example.names_of_functions()
    if name not in ELSEWHERE.get(example.name, set())
]


@pytest.mark.parametrize(("example", "name"), FUNCTIONS)
async def test_function_runs(  # each may need any of them
    example: Example,
    name: str,
    load: Callable[[str], dict[str, Any]],
    served: FakeConvAI,
    archive_here: Path,
    fake_convai: FakeConvAI,
    fake_convai_factory: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    function = load(example.name)[name]
    async with ConvAIClient(served.api_key, base_url=served.url) as client:
        known: dict[str, Any] = {
            "archive": "calls.db",
            "client": client,
            "conversation": Conversation.from_json(served.conversations.document("conv_1")),
            "conversation_id": "conv_1",
            "conversation_ids": ["conv_1", "conv_2"],
            "fake_convai": fake_convai,
            "fake_convai_factory": fake_convai_factory,
            "parquet": "calls.parquet",
            "saved": None,
        }
        assert known.keys() == ARGUMENTS
        returned = function(**{parameter: known[parameter] for parameter in parameters(function)})
        if inspect.isawaitable(returned):
            async with asyncio.timeout(60):
                await returned


def test_functions_that_run_elsewhere_exist() -> None:
    assert {example for example in ELSEWHERE if example not in EXAMPLES} == set()
    for example, names in ELSEWHERE.items():
        assert names <= set(EXAMPLES[example].names_of_functions()), example
