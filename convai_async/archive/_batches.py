"""Conversations in batches: for one transaction, one row group, or one report of the progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

_SIZE = 500


def split_into_batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield items in lists of equal length; the last can be shorter."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == _SIZE:
            yield batch
            batch = []
    if batch:
        yield batch


def report_progress(items: Iterable[T], progress: Callable[[int], None] | None) -> Iterator[T]:
    """Yield items, and call a function with their number so far after each batch."""
    for number, item in enumerate(items, 1):
        yield item
        if progress is not None and number % _SIZE == 0:
            progress(number)
