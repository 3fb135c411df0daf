"""Items of lists, which keep their JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import msgspec

from convai_async._support.lenient_json import decode_json, split_list, split_object
from convai_async.models._base import Model
from convai_async.models._decoding import get_item_decoder

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ListItem"]


class ListItem(Model, dict=True, gc=True):
    """The base class of the items of lists. An invalid field gets its default."""

    # The source is not a field, so that it is not part of equality, encoding and schemas.

    @property
    def raw_json(self) -> bytes:
        """The item's JSON, byte for byte as the service sent it; empty if the item was not decoded.

        It is not part of equality, and does not change if you change a field. An item keeps the JSON of its whole page
        in memory.
        """
        source: bytes | tuple[_Page, int] = vars(self).get("_source", b"")
        return source if isinstance(source, bytes) else source[0].get(source[1])

    @classmethod
    def from_json(cls, document: bytes | str) -> Self:
        """Decode an item from JSON, which becomes its `raw_json`.

        Raises:
            DecodeError: The document is not JSON or not an object, or its id is missing or invalid.
        """
        raw = document.encode(errors="surrogatepass") if isinstance(document, str) else document
        item = get_item_decoder(cls)(raw)
        vars(item)["_source"] = raw
        return item

    def to_json(self) -> bytes:
        """Return the item as JSON, including fields that the model does not have. `from_json` decodes it."""
        return msgspec.json.encode(self.to_builtins()) if self.raw_json else super().to_json()

    def to_builtins(self) -> Any:
        """Return the item as dicts, lists, strings and numbers, including fields that the model does not have."""
        fields = super().to_builtins()
        return _merge_unknown(fields, decode_json(self.raw_json)) if self.raw_json else fields

    def __copy__(self) -> Self:
        copied = msgspec.structs.replace(self)
        vars(copied).update(vars(self))
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        return *super().__reduce__(), {"_source": self.raw_json}


class _Page(msgspec.Struct, gc=False):
    """The JSON of a page, which is split into its items when the first one is needed."""

    body: bytes
    list_field: str
    items: list[bytes] = []

    def get(self, index: int) -> bytes:
        if not self.items:
            self.items = split_list(split_object(self.body)[self.list_field])
            self.body = b""
        return self.items[index]


def set_raw_json(items: Iterable[ListItem], body: bytes, list_field: str) -> None:
    """Set the `raw_json` of all items of a page.

    Args:
        items: The items, in order.
        body: The page's JSON.
        list_field: The field of the page that contains the items.
    """
    page = _Page(body, list_field)
    for index, item in enumerate(items):
        item._source = (page, index)  # type: ignore[attr-defined]  # noqa: SLF001 - faster than vars()


def _merge_unknown(fields: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """Return the fields, and those that only the raw object has, also in nested objects."""
    merged = raw | fields
    return {
        name: _merge_unknown(value, raw[name]) if isinstance(value, dict) and isinstance(raw.get(name), dict) else value
        for name, value in merged.items()
    }
