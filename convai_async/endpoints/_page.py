"""Pages of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from convai_async._support.lenient_json import DECODE_ERRORS, decode_json, split_list, split_object
from convai_async.errors import DecodeError
from convai_async.models import ConversationSummary, ListItem, Model
from convai_async.models._list_item import set_raw_json
from convai_async.models._repr import build_repr, format_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Page", "UndecodableItem"]

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=ListItem)


class UndecodableItem(msgspec.Struct, frozen=True):
    """An item of a page that cannot be decoded: null, not an object, or without an id.

    Attributes:
        raw: The item's JSON.
        error: The problem and its path, without any of the item's content.
    """

    raw: bytes
    error: str

    def __repr__(self) -> str:
        # Keep conversations out of logs.
        return f"UndecodableItem(raw=<{len(self.raw)} bytes>, error={self.error!r})"


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list.

    Iteration, ``len()`` and indexing use the items. A page is always true, also if it is empty.

    Attributes:
        items: The items. Can be empty even if more pages follow.
        next_cursor: The cursor of the next page, or None.
        has_more: Whether more pages follow.
        undecodable: The items that cannot be decoded.
        extra: The other fields of the page as decoded JSON, such as ``window_start_unix_secs``,
            ``window_end_unix_secs`` and ``aggregated_run_count`` of an agent's topics.
    """

    items: Sequence[T]
    next_cursor: str | None = None
    has_more: bool = False
    undecodable: tuple[UndecodableItem, ...] = ()
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def total(self) -> int | None:
        """The number of items on all pages, or None if the service does not report it (only searches do)."""
        meta = self.extra.get("meta")
        total = meta.get("total") if isinstance(meta, dict) else None
        return total if isinstance(total, int) else None

    def to_json(self) -> bytes:
        """Return the page's attributes as JSON, with each item as its own ``to_json`` returns it."""
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
        """Return the page's attributes as dicts, lists, strings and numbers; bytes become base64."""
        builtins: dict[str, Any] = msgspec.json.decode(self.to_json())
        return builtins

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        # So that `while page:` does not stop at an empty page that has a next one.
        return True

    def __getitem__(self, index: int) -> T:
        return self.items[index]

    def __repr__(self) -> str:
        undecodable = format_count(self.undecodable or None, "undecodable item")
        return build_repr(self, format_count(self.items, "item"), undecodable, "has_more" if self.has_more else "")

    def _repr_html_(self) -> str:
        """Return the page as HTML, which a notebook shows."""
        from convai_async.models._html import render_page  # noqa: PLC0415 - only notebooks need it

        are_conversations = all(isinstance(item, ConversationSummary) for item in self.items)
        return render_page(self.items, has_more=self.has_more, are_conversations=are_conversations)


class _Cursor(msgspec.Struct):
    next_cursor: str | None = None
    has_more: bool | None = None


class PageDecoder(msgspec.Struct, Generic[ItemT], frozen=True):
    """Decodes pages. Items that cannot be decoded go to `Page.undecodable`; the others are not affected.

    Attributes:
        model: The model of the items.
        list_field: The field of the page that contains the items.
    """

    model: type[ItemT]
    list_field: str

    def __call__(self, body: bytes) -> Page[ItemT]:
        """Decode a page from JSON.

        Raises:
            DecodeError: The body is not JSON, or not a page.
        """
        try:
            page = _get_fast_decoder(self.model, self.list_field)(body)
        except DECODE_ERRORS:
            return _decode_in_parts(self.model, self.list_field, body)
        items: tuple[ItemT, ...] = getattr(page, self.list_field)
        set_raw_json(items, body, self.list_field)
        return _build_page(items, page)


@cache
def _get_fast_decoder(model: Any, list_field: str) -> Callable[[bytes], Any]:
    """Return the decoder of pages in which every item is valid and no field belongs into `Page.extra`."""
    page = msgspec.defstruct(
        "FastPage", [(list_field, tuple[model, ...])], bases=(_Cursor,), kw_only=True, forbid_unknown_fields=True
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
    return _build_page(items, cursor, undecodable, extra)


def _decode_items(model: type[ItemT], lines: list[bytes]) -> tuple[tuple[ItemT, ...], tuple[UndecodableItem, ...]]:
    items, undecodable = [], []
    for line in lines:
        try:
            items.append(model.from_json(line))
        except DecodeError as error:
            undecodable.append(UndecodableItem(line, f"{error.problem} - at `{error.path}`"))
    return tuple(items), tuple(undecodable)


def _build_page(
    items: tuple[T, ...],
    cursor: _Cursor,
    undecodable: tuple[UndecodableItem, ...] = (),
    extra: Mapping[str, Any] | None = None,
) -> Page[T]:
    # Without has_more, a cursor means that another page follows.
    has_more = bool(cursor.next_cursor) if cursor.has_more is None else cursor.has_more
    return Page(items, cursor.next_cursor, has_more, undecodable, extra or {})
