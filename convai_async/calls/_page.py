"""One page of a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list.

    Iterating, ``len()`` and indexing go to the items.

    Attributes:
        items: What the page holds; can be empty although more pages follow.
        next_cursor: Where the next page begins, or None.
        has_more: Whether the service says that more follows.
        undecodable: Items that could not be decoded; each has ``raw``, its bytes, and ``error``.
    """

    items: Sequence[T]
    next_cursor: str | None = None
    has_more: bool = False
    undecodable: Sequence[Any] = ()

    @classmethod
    def of(cls, items: Sequence[T], next_cursor: str | None, has_more: bool | None) -> Page[T]:  # noqa: FBT001 - the wire's
        """Return a page; one that does not say whether more follows goes by its cursor."""
        return cls(items, next_cursor, bool(next_cursor) if has_more is None else has_more)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        """A page is a page, also an empty one: never take emptiness for the end."""
        return True

    def __getitem__(self, index: int) -> T:
        return self.items[index]
