"""One page of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from convai_async._support.lenient_json import DECODE_ERRORS, decode_json, split_list, split_object
from convai_async.errors import DecodeError
from convai_async.models import ListItem, Model
from convai_async.models._list_item import set_raw_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Page", "UndecodableItem"]

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=ListItem)


class UndecodableItem(msgspec.Struct, frozen=True):
    """An item of a page that could not be decoded: null, not an object, or without an id.

    Attributes:
        raw: The item, as it came.
        error: What does not fit, without any of the item's content.
    """

    raw: bytes
    error: str

    def __repr__(self) -> str:
        # The bytes can be what was said: they do not belong into logs.
        return f"UndecodableItem(raw=<{len(self.raw)} bytes>, error={self.error!r})"


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list.

    Iterating, ``len()`` and indexing go to the items.

    Attributes:
        items: The items; can be empty although more pages follow.
        next_cursor: Where the next page begins, or None.
        has_more: Whether the service says that more follows.
        undecodable: Items that could not be decoded.
        extra: The other fields of the page, as decoded JSON; for example ``window_start_unix_secs``,
            ``window_end_unix_secs`` and ``aggregated_run_count`` of an agent's topics.
    """

    items: Sequence[T]
    next_cursor: str | None = None
    has_more: bool = False
    undecodable: tuple[UndecodableItem, ...] = ()
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def total(self) -> int | None:
        """The number of items on all pages; None unless the service reports it, as searches do."""
        meta = self.extra.get("meta")
        total = meta.get("total") if isinstance(meta, dict) else None
        return total if isinstance(total, int) else None

    def to_json(self) -> bytes:
        """Return the page's attributes as JSON, the items as their own ``to_json`` has them."""
        return msgspec.json.encode(
            {
                "items": [item.to_builtins() if isinstance(item, Model) else item for item in self.items],
                "next_cursor": self.next_cursor,
                "has_more": self.has_more,
                "undecodable": self.undecodable,
                "extra": self.extra,
            }
        )

    def to_builtins(self) -> dict[str, Any]:
        """Return the same as `to_json` as dicts, lists, strings and numbers; undecodable bytes are base64."""
        builtins: dict[str, Any] = msgspec.json.decode(self.to_json())
        return builtins

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        """A page is a page, also an empty one: never take emptiness for the end."""
        return True

    def __getitem__(self, index: int) -> T:
        return self.items[index]


class _Cursor(msgspec.Struct):
    next_cursor: str | None = None
    has_more: bool | None = None


def decode_page(model: type[ItemT], list_field: str, body: bytes) -> Page[ItemT]:
    """Decode a page; items that do not decode are `Page.undecodable` and do no harm to the others.

    Args:
        model: What the items are.
        list_field: The field of the page that holds them.
        body: The page's JSON.

    Raises:
        DecodeError: It is not JSON, or not a page.
    """
    try:
        page = _whole_page_decoder(model, list_field)(body)
    except DECODE_ERRORS:
        return _decode_in_parts(model, list_field, body)
    items: tuple[ItemT, ...] = getattr(page, list_field)
    set_raw_json(items, body, list_field)
    return _page(items, page)


@cache
def _whole_page_decoder(model: Any, list_field: str) -> Callable[[bytes], Any]:
    """Return the decoder of pages in which everything fits, and nothing is for `Page.extra`."""
    page = msgspec.defstruct(
        "WholePage", [(list_field, tuple[model, ...])], bases=(_Cursor,), kw_only=True, forbid_unknown_fields=True
    )
    return msgspec.json.Decoder(page, strict=False).decode


def _decode_in_parts(model: type[ItemT], list_field: str, body: bytes) -> Page[ItemT]:
    try:
        fields = split_object(body)
    except DECODE_ERRORS as error:
        raise DecodeError.from_message(f"Not a JSON object: {error}", body) from None
    lines = fields.pop(list_field, None)
    if lines is None:
        raise DecodeError.from_message(f"Object missing required field `{list_field}`", body)
    extra = {name: decode_json(value) for name, value in fields.items()}
    try:
        stated = {name: extra.pop(name, None) for name in _Cursor.__struct_fields__}
        cursor = msgspec.convert(stated, _Cursor, strict=False)
        items, undecodable = _decode_items(model, [] if lines == b"null" else split_list(lines))
    except msgspec.ValidationError as error:
        raise DecodeError.from_message(str(error), body) from None
    except ValueError:
        raise DecodeError("Expected `array`", path=f"$.{list_field}", body=body) from None
    return _page(items, cursor, undecodable, extra)


def _decode_items(model: type[ItemT], lines: list[bytes]) -> tuple[tuple[ItemT, ...], tuple[UndecodableItem, ...]]:
    items, undecodable = [], []
    for line in lines:
        try:
            items.append(model.from_json(line))
        except DecodeError as error:
            undecodable.append(UndecodableItem(line, f"{error.problem} - at `{error.path}`"))
    return tuple(items), tuple(undecodable)


def _page(
    items: tuple[T, ...],
    cursor: _Cursor,
    undecodable: tuple[UndecodableItem, ...] = (),
    extra: Mapping[str, Any] | None = None,
) -> Page[T]:
    # A page that does not say whether more follows goes by its cursor.
    has_more = bool(cursor.next_cursor) if cursor.has_more is None else cursor.has_more
    return Page(items, cursor.next_cursor, has_more, undecodable, extra or {})
