"""Every endpoint is in all files that it needs; a failure names the file that lacks it.

An endpoint takes six files: a function in ``endpoints/``, the model of its result in ``models/``, a method in
``resources/``, a route in ``testing/handlers/``, an example in ``tests/support/every_endpoint.py`` and a row in
``docs/reference/methods.md``. All else follows from these.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from every_endpoint import EXAMPLES, build_request, create_existing, find_id_fields, get_result_type, record_method
from seeds import JSON_ENDPOINTS, MODELS, collect_seeds, find_model

import convai_async
from convai_async import ConvAIClient, endpoints, models
from convai_async.testing import handlers
from convai_async.testing.routes import ROUTES, SOCKETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.testing import FakeConvAI

ROOT = Path(__file__).parents[1]
PACKAGE = Path(convai_async.__file__).parent
EXAMPLES_FILE = "tests/support/every_endpoint.py"
TYPING_FILE = "tests/typing/public_api.py"
DOCUMENTATION = "docs/reference/methods.md"


def find_endpoints() -> dict[str, str]:
    """Return the functions that build the requests of endpoints, with their modules."""
    found = {}
    for module in pkgutil.iter_modules(endpoints.__path__):
        if module.name == "_custom":
            continue
        for name, function in vars(import_module(f"convai_async.endpoints.{module.name}")).items():
            if inspect.isfunction(function) and function.__module__.endswith(f".{module.name}"):
                result = str(function.__annotations__.get("return", ""))
                if not name.startswith("_") and result.startswith("Request["):
                    found[name] = f"convai_async/endpoints/{module.name}.py"
    return found


def find_methods(resource: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    """Yield the public methods of the client's resources with their paths, such as ``conversations.tags.get``."""
    for name, value in vars(resource).items():
        if type(value).__module__.startswith("convai_async.resources."):
            for method in vars(type(value)):
                if not method.startswith("_"):
                    yield ".".join((*path, name, method)), getattr(type(value), method)
            yield from find_methods(value, (*path, name))


def find_sent_requests(folder: Path) -> set[str]:
    """Return the functions of `convai_async.endpoints` that the modules of the client call."""
    paths = [*folder.glob("resources/*.py"), *folder.glob("polling/*.py"), folder / "streaming.py"]
    return {name for path in paths for name in re.findall(r"\bendpoints\.(\w+)\(", path.read_text())}


ENDPOINTS = find_endpoints()
METHODS = dict(find_methods(ConvAIClient("key")))
"""The methods by path; a class that is reached by two paths is here twice."""


def assert_none_missing(expected: set[str], actual: set[str], file: str, part: str, source: str) -> None:
    missing = ", ".join(sorted(expected - actual))
    assert not missing, f"{file} lacks {part} for {missing}, which {source} has"


def test_every_endpoint_function_is_exported() -> None:
    exported = set(vars(endpoints))
    for name, file in ENDPOINTS.items():
        assert name in exported, f"{file} lacks {name!r} in __all__"


def test_every_endpoint_has_a_route_in_the_fake_service() -> None:
    assert_none_missing(
        set(ENDPOINTS), set(ROUTES), "convai_async/testing/handlers/", "a route", "convai_async/endpoints/"
    )


def test_every_route_of_the_fake_service_has_an_endpoint_function() -> None:
    assert_none_missing(
        set(ROUTES), set(ENDPOINTS), "convai_async/endpoints/", "a function", "convai_async/testing/handlers/"
    )


def test_every_endpoint_has_a_method() -> None:
    sent = find_sent_requests(PACKAGE)
    assert_none_missing(set(ENDPOINTS), sent, "convai_async/resources/", "a method", "convai_async/endpoints/")


def test_every_endpoint_has_an_example() -> None:
    assert_none_missing(set(ENDPOINTS), set(EXAMPLES), EXAMPLES_FILE, "an example", "convai_async/endpoints/")
    assert_none_missing(set(EXAMPLES), set(ENDPOINTS), "convai_async/endpoints/", "a function", EXAMPLES_FILE)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_checks_the_type_of_its_result(name: str) -> None:
    if get_result_type(name) is not None:
        assert "assert_type(" in inspect.getsource(EXAMPLES[name]), f"{EXAMPLES_FILE}: {name} lacks assert_type()"


@pytest.mark.parametrize("name", EXAMPLES)
async def test_example_sends_the_request_of_its_endpoint(name: str, client: ConvAIClient, fake: FakeConvAI) -> None:
    existing = await create_existing(client, fake.conversations)
    fake.requests.clear()
    await EXAMPLES[name](client, existing)
    (received,) = fake.requests
    assert received.operation == name, f"{EXAMPLES_FILE}: {name} sends {received.operation}"
    request = build_request(name, existing)
    assert (received.method, received.path) == (request.method, request.path)
    if name == "list_conversations":
        assert dict(received.query).items() >= dict(request.query).items()
    else:
        assert sorted(received.query) == sorted(request.query)
    if name != "create_file":
        assert received.body == (request.body.content if request.body else b"")


@pytest.mark.parametrize("path", METHODS)
def test_type_checkers_see_every_method(path: str) -> None:
    checked = {".".join(record_method(name).path) for name in EXAMPLES}
    checked |= set(re.findall(r"\bclient\.([\w.]+)\(", (ROOT / TYPING_FILE).read_text()))
    same = {each for each, method in METHODS.items() if method is METHODS[path]}
    assert same & checked, f"{EXAMPLES_FILE} and {TYPING_FILE} lack client.{path}()"


@pytest.mark.parametrize("name", JSON_ENDPOINTS)
def test_models_exports_the_model_of_every_endpoint(name: str) -> None:
    model = find_model(name)
    file = model.__module__.replace(".", "/") + ".py"
    assert getattr(models, model.__name__, None) is model, f"{file} lacks {model.__name__!r} in __all__"


async def test_fuzz_tests_have_documents_of_every_endpoint() -> None:
    seeds = await collect_seeds()
    assert_none_missing(set(EXAMPLES), set(seeds.responses), "tests/support/seeds.py", "a response", EXAMPLES_FILE)
    for model in MODELS:
        assert seeds.documents[model], f"tests/support/seeds.py lacks documents of {model.__name__}"


@pytest.mark.parametrize("file", ["bad_arguments", "cancellation", "fuzz", "secrets"])
def test_robustness_tests_run_every_example(file: str) -> None:
    path = f"tests/robustness/test_{file}.py"
    source = (ROOT / path).read_text()
    assert "EXAMPLES" in source or "JSON_ENDPOINTS" in source, f"{path} does not run the examples of {EXAMPLES_FILE}"


def test_examples_together_use_every_id() -> None:
    assert {field for name in EXAMPLES for field in find_id_fields(name)} == {
        "agent_id",
        "conversation_id",
        "file_id",
        "tag_id",
        "reference",
    }


def test_handler_modules_only_register_their_own_routes() -> None:
    modules = {module.name for module in pkgutil.iter_modules(handlers.__path__)}
    routes = (*ROUTES.values(), *SOCKETS.values())
    registering = {route.handler.__module__.rpartition(".")[2] for route in routes}
    assert registering == modules, "convai_async/testing/handlers/ has a module without a route"


async def test_running_fake_service_serves_exactly_its_routes(fake: FakeConvAI) -> None:
    assert fake._running is not None
    application = fake._running[0].app
    assert isinstance(application, web.Application)
    served = {(route.method, route.resource.canonical) for route in application.router.routes() if route.resource}
    routes = (*ROUTES.values(), *SOCKETS.values())
    registered = [(method, route.path) for route in routes for method in route.methods]
    assert len(set(registered)) == len(registered), "two routes have the same method and path"
    assert served == set(registered)


def test_documentation_has_a_row_for_every_endpoint() -> None:
    rows = (ROOT / DOCUMENTATION).read_text().splitlines()
    for name in EXAMPLES.keys() & ROUTES.keys():
        route, path = ROUTES[name], ".".join(record_method(name).path)
        wanted = (f"| `{route.methods[0]} {route.path}` |", f"`{path}`", f"| `{name}` |")
        assert any(all(part in row for part in wanted) for row in rows), (
            f"{DOCUMENTATION} lacks a row {' '.join(wanted)}"
        )


@pytest.mark.parametrize("path", METHODS)
def test_documentation_names_every_method(path: str) -> None:
    assert f"`{path}`" in (ROOT / DOCUMENTATION).read_text(), f"{DOCUMENTATION} lacks `{path}`"
