"""`load_steps` finds the steps of a module."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from convai_async.errors import ConfigurationError, InvalidArgumentError
from convai_async.steps import load_steps, step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STEP = """
from convai_async import steps

@steps.step({name!r}, version=1)
def {name}(conversation):
    return 1
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Write a module into the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}

    def write_module(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    yield write_module
    for name in {*sys.modules} - before:
        del sys.modules[name]


def test_steps_of_a_module_in_the_working_folder_are_found_once_in_their_order(
    write: Callable[[str, str], None],
) -> None:
    write("others", STEP.format(name="embed"))
    write("mine_1", STEP.format(name="score") + "from others import embed\nalias = score\n")
    assert [each.name for each in load_steps("mine_1")] == ["score", "embed"]
    assert [each.name for each in load_steps("mine_1")] == ["score", "embed"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = 1\n", r"^module: 'mine_2' has no steps: decorate a function with @steps\.step\('name', version=1\)$"),
        (
            STEP.format(name="score") + STEP.format(name="score").replace("def score", "def again"),
            r"^module: has two steps with the name 'score': rename one$",
        ),
    ],
)
def test_module_without_steps_or_with_two_of_a_name_is_refused(
    write: Callable[[str, str], None], text: str, problem: str
) -> None:
    write("mine_2", text)
    with pytest.raises(InvalidArgumentError, match=problem):
        load_steps("mine_2")


@pytest.mark.parametrize("name", ["missing_1", "missing_1.steps", "json.steps"])
def test_module_that_does_not_exist_is_named(write: Callable[[str, str], None], name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^module: there is no module '{name}' in "):
        load_steps(name)


def test_name_of_a_file_is_answered_with_a_hint(write: Callable[[str, str], None]) -> None:
    write("mine_3", STEP.format(name="score"))
    with pytest.raises(InvalidArgumentError, match=r"^module: there is no module 'mine_3.py' in .*: leave out \.py$"):
        load_steps("mine_3.py")


@pytest.mark.parametrize("name", ["", ".steps", "my_steps.py/", "my-steps"])
def test_text_that_is_not_the_name_of_a_module_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^module: must be the name of a module, such as 'my_steps', got "):
        load_steps(name)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import missing_2\n", r"^'mine_3' cannot be imported: No module named 'missing_2'$"),
        ("\n1 / 0\n", r"^'mine_3' cannot be imported: ZeroDivisionError: division by zero \(mine_3\.py, line 2\)$"),
        ("def broken(:\n", r"^'mine_3' cannot be imported: SyntaxError: .* \(mine_3\.py, line 1\)$"),
        (
            "from convai_async import steps\n\nsteps.step('score', version=0)\n",
            r"^'mine_3' cannot be imported: InvalidArgumentError: version: must be .* \(mine_3\.py, line 3\)$",
        ),
    ],
)
def test_error_of_the_module_is_shown(write: Callable[[str, str], None], text: str, problem: str) -> None:
    write("mine_3", text)
    with pytest.raises(ConfigurationError, match=problem):
        load_steps("mine_3")


@pytest.mark.parametrize(
    ("settings", "parameter"),
    [
        ({"name": ""}, "name"),
        ({"name": "two words"}, "name"),
        ({"name": "é"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": None}, "name"),
        ({"version": 0}, "version"),
        ({"version": "1"}, "version"),
        ({"select": "some"}, "select"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"timeout": 0}, "timeout"),
        ({"concurrency": 0}, "concurrency"),
    ],
)
def test_invalid_setting_of_a_step_is_named(settings: dict[str, object], parameter: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{parameter}: "):
        step(**{"name": "score", "version": 1, **settings})  # type: ignore[arg-type]
