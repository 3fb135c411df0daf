"""The examples in the docstrings of the fake service run; every fault and argument has one."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from convai_async import ConvAIClient, RetryPolicy, errors
from convai_async.testing import FakeConvAI, Faults, RecordedRequests, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAULTS = {name: member for name, member in inspect.getmembers(faults, inspect.isfunction) if name in faults.__all__}


def examples() -> Iterator[tuple[str, str]]:
    documented: dict[str, Any] = {f"faults.{name}": member for name, member in FAULTS.items()}
    documented |= {"faults": faults, "FakeConvAI": FakeConvAI, "RecordedRequests": RecordedRequests}
    for owner in (FakeConvAI, Faults):
        for name, member in vars(owner).items():
            documented[f"{owner.__name__}.{name}"] = member
    for name, member in documented.items():
        if "::\n" in (inspect.getdoc(member) or ""):
            yield name, example_of(member)


def example_of(documented: Any) -> str:
    """Return the indented lines after the first double colon."""
    lines = (inspect.getdoc(documented) or "").split("::\n", 1)[1].splitlines()
    block: list[str] = []
    for line in lines:
        if line and not line.startswith("    "):
            break
        block.append(line)
    return textwrap.dedent("\n".join(block)).strip()


EXAMPLES = dict(examples())


def test_every_fault_has_an_example() -> None:
    assert {name for name in FAULTS if f"faults.{name}(" in EXAMPLES.get(f"faults.{name}", "")} == FAULTS.keys()
    assert {"FakeConvAI.add", "FakeConvAI.finish", "FakeConvAI.files", "Faults.add", "RecordedRequests"} <= set(
        EXAMPLES
    )


@pytest.mark.parametrize("name", EXAMPLES)
async def test_example_runs(name: str) -> None:
    source = f"async def run():\n{textwrap.indent(EXAMPLES[name], '    ')}"
    at_once = RetryPolicy(wait_initial=0, wait_max=0)
    async with (
        FakeConvAI(conversations=30) as fake,
        ConvAIClient(fake.api_key, base_url=fake.url, retry=at_once) as client,
    ):
        recorded_id = next(filter(fake.conversations.has_audio, fake.conversations))
        namespace: dict[str, Any] = vars(errors) | {
            "ConvAIClient": ConvAIClient,
            "FakeConvAI": FakeConvAI,
            "client": client,
            "conversation_id": recorded_id,
            "fake": fake,
            "faults": faults,
            "once": client.with_options(retry=None),
            "pytest": pytest,
            "recorded_id": recorded_id,
        }
        exec(compile(ast.parse(source), f"<example of {name}>", "exec"), namespace)
        run: Callable[[], Any] = namespace["run"]
        await run()
        if name.startswith("faults."):
            assert fake.requests, "the fault was tried"


def test_every_argument_of_the_service_has_an_example() -> None:
    documentation = (inspect.getdoc(FakeConvAI) or "").partition("Args:")[2].partition("Attributes:")[0]
    shown = dict(re.findall(r"``(\w+)=(.+?)``", documentation))
    parameters = inspect.signature(FakeConvAI).parameters
    assert set(shown) == set(parameters)
    for name, value in shown.items():
        given = ast.literal_eval(value)
        assert given != parameters[name].default, "the example is not the default"
        FakeConvAI(**{name: given})
