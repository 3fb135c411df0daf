"""Find the steps of a module."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from convai_async.errors import ConfigurationError, InvalidArgumentError
from convai_async.steps._step import Step

_PACKAGE = Path(__file__).parents[1]


def load_steps(module: str) -> list[Step[object]]:
    """Import a module, and return its steps in the order in which they are defined.

    Args:
        module: Its name, such as ``my_steps`` or ``package.steps``. The working folder is searched first.

    Raises:
        InvalidArgumentError: The module was not found, has no steps, or two of them have the same name.
        ConfigurationError: It cannot be imported.
    """
    namespace = vars(_import(module))
    found = {id(each): each for each in namespace.values() if isinstance(each, Step)}
    steps = list(found.values())
    if not steps:
        raise InvalidArgumentError(
            "module", f"{module!r} has no steps: decorate a function with @steps.step('name', version=1)"
        )
    check_names("module", steps)
    return steps


def check_names(parameter: str, steps: list[Step[object]]) -> None:
    """Check that each step has its own name.

    Raises:
        InvalidArgumentError: Two have the same.
    """
    names = [each.name for each in steps]
    for name in names:
        if names.count(name) > 1:
            raise InvalidArgumentError(parameter, f"has two steps with the name {name!r}: rename one")


def _import(module: str) -> object:
    if not all(part.isidentifier() for part in module.split(".")):
        raise InvalidArgumentError("module", f"must be the name of a module, such as 'my_steps', got {module!r}")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise ConfigurationError(f"{module!r} cannot be imported: {error}") from error
        hint = ": leave out .py" if module.endswith(".py") else ""
        raise InvalidArgumentError(
            "module", f"there is no module {module!r} in {folder!r} or among the installed packages{hint}"
        ) from error
    except Exception as error:
        raise ConfigurationError(
            f"{module!r} cannot be imported: {type(error).__name__}: {error}{_find_line(error)}"
        ) from error


def _find_line(error: Exception) -> str:
    """Return the last line outside this package that an error passed through; the text of a syntax error has it."""
    if isinstance(error, SyntaxError):
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    where = [each for each in frames if not Path(each.filename).is_relative_to(_PACKAGE)][-1]
    return f" ({Path(where.filename).name}, line {where.lineno})"
