"""Values of the wrong type, for tests of arguments."""

from __future__ import annotations

from typing import Any

HALF_SURROGATE = "\ud800"

NOT_INTEGERS: list[Any] = [True, 1.5, "1", [1], b"1", 10**5000]

NOT_TEXTS: list[Any] = [True, 5, 1.5, b"a", "", " ", HALF_SURROGATE, {"a": 1}, object()]
