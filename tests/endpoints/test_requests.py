from __future__ import annotations

import inspect
import pickle
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from every_endpoint import EXAMPLES, build_request

from convai_async import endpoints
from convai_async.endpoints import FileBody, JSONBody, Request
from convai_async.errors import DecodeError
from convai_async.testing.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable

CONTRACT = msgspec.json.decode((Path(__file__).parents[1] / "data/openapi.json").read_bytes())


EVERY_REQUEST: dict[str, Callable[[], Request[Any]]] = {name: partial(build_request, name) for name in EXAMPLES}
"""A request to each endpoint, by the name of its function."""


each_request = pytest.mark.parametrize("build", EVERY_REQUEST.values(), ids=EVERY_REQUEST)


def test_every_endpoint_has_a_request_here() -> None:
    functions = {
        name
        for name, function in inspect.getmembers(endpoints, inspect.isfunction)
        if re.search(r"\((GET|POST|PATCH|DELETE) /v1/convai/", function.__doc__ or "")
    }
    assert functions == EVERY_REQUEST.keys()


@each_request
def test_docstring_names_the_method_and_the_path(build: Callable[[], Request[Any]]) -> None:
    name = next(name for name, other in EVERY_REQUEST.items() if other is build)
    request = build()
    (documented,) = re.findall(r"\((\w+ /v1/convai/\S+)\)", getattr(endpoints, name).__doc__)
    assert (
        re.sub(r"\{\w+\}", "ID", documented)
        == f"{request.method} {re.sub(r'(conv|agent|file|tag)_1', 'ID', request.path)}"
    )


@each_request
def test_request_can_be_pickled_and_sent_from_another_process(build: Callable[[], Request[Any]]) -> None:
    request, twin = build(), pickle.loads(pickle.dumps(build()))
    for field in ("method", "path", "query", "body", "idempotent", "headers"):
        assert getattr(twin, field) == getattr(request, field)
    for body in (b"", b"{", b"{}"):
        results = []
        for decode in (request.decode, twin.decode):
            try:
                results.append(decode(body))
            except DecodeError as error:
                results.append(str(error))
        assert results[0] == results[1]


def test_list_requests_with_the_same_arguments_are_equal() -> None:
    assert endpoints.list_conversations(page_size=5) == endpoints.list_conversations(page_size=5)
    assert endpoints.list_tags() != endpoints.list_tags(page_size=5)
    decoders: list[object] = [endpoints.list_tags().decode, endpoints.list_conversations().decode]
    assert decoders[0] != decoders[1]


def test_endpoints_include_every_operation_of_the_openapi_document() -> None:
    ours = {
        (request.method, re.sub(r"(conv|agent|file|tag)_1", "{}", request.path))
        for request in (build() for build in EVERY_REQUEST.values())
    }
    contract = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, methods in CONTRACT["paths"].items()
        for method in methods
    }
    fake = {(each.methods[0], re.sub(r"\{\w+\}", "{}", each.path)) for each in ROUTES.values()}
    assert ours == fake >= contract


@each_request
def test_only_posts_without_set_semantics_are_not_idempotent(build: Callable[[], Request[Any]]) -> None:
    request = build()
    assigns_tags = request.path.endswith("/tags") and "conversations" in request.path
    assert request.idempotent is (request.method != "POST" or assigns_tags)


def test_description_can_be_empty_or_null() -> None:
    assert endpoints.update_tag("tag_1", description="").body == JSONBody(b'{"description":""}')
    assert endpoints.update_tag("tag_1", description=None).body == JSONBody(b'{"description":null}')
    assert endpoints.create_tag("a", "").body == JSONBody(b'{"title":"a","description":""}')
    assert endpoints.create_tag("a").body == JSONBody(b'{"title":"a"}')


def test_feedback_none_sends_null() -> None:
    assert endpoints.create_feedback("conv_1", "like").body == JSONBody(b'{"feedback":"like"}')
    assert endpoints.create_feedback("conv_1", None).body == JSONBody(b'{"feedback":null}')


def test_signed_url_and_token_send_their_parameters() -> None:
    call = endpoints.get_signed_url("agent_1", include_conversation_id=True, branch_id="b", environment="staging")
    assert dict(call.query) == {
        "agent_id": "agent_1",
        "include_conversation_id": "true",
        "branch_id": "b",
        "environment": "staging",
    }
    assert dict(endpoints.get_webrtc_token("agent_1", participant_name="Ann").query) == {
        "agent_id": "agent_1",
        "participant_name": "Ann",
    }


def test_upload_is_one_multipart_field() -> None:
    assert EVERY_REQUEST["create_file"]().body == FileBody("file", b"%PDF", "a.pdf", "application/pdf")
