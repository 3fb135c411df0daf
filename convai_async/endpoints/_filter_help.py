"""Show filters by name in ``help()``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from convai_async.endpoints import _filters

F = TypeVar("F", bound=Callable[..., object])

_KEY = re.compile(r'^    (\w+): [^\n]*\n    """(.*?)"""', re.MULTILINE | re.DOTALL)
_PLACEHOLDER = re.compile(r"^    \*\*filters: .*\n(        .*\n)*", re.MULTILINE)


def describe_filters(filters: type) -> Callable[[F], F]:
    """Return a decorator that replaces ``**filters`` by the filters' names in the signature and the docstring.

    ``help()`` and the completion of IPython read both; type checkers and editors read the TypedDict.

    Args:
        filters: The TypedDict of the function's ``**filters``.
    """
    keys = filters.__annotations__

    def describe(function: F) -> F:
        descriptions = {**_read_descriptions("CommonFilters"), **_read_descriptions(filters.__name__)}
        entries = "".join(f"    {name}: {descriptions.get(name, '')}\n" for name in sorted(keys))
        doc = inspect.cleandoc(function.__doc__ or "") + "\n"
        function.__doc__ = _PLACEHOLDER.sub(lambda _: entries, doc, count=1)
        signature = inspect.signature(function)
        *others, _ = signature.parameters.values()
        parameters = [*others, *(_make_parameter(name, keys[name]) for name in sorted(keys))]
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return function

    return describe


def _make_parameter(name: str, annotation: Any) -> inspect.Parameter:
    source = getattr(annotation, "__forward_arg__", annotation)  # a plain string since Python 3.14
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=source)


@cache
def _read_descriptions(class_name: str) -> dict[str, str]:
    """Return the strings under the keys of a TypedDict. Python does not keep them: only the source has them."""
    try:
        source = inspect.getsource(_filters)
    except OSError:
        return {}  # installed without its source
    _, _, body = source.partition(f"\nclass {class_name}(")
    body, _, _ = body.partition("\nclass ")
    return {key: description.replace("\n    ", "\n        ") for key, description in _KEY.findall(body)}
