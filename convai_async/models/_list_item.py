"""Items of lists, which keep the service's own JSON."""

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
    """An item of one of the service's lists. A field that does not fit has its default."""

    # Its source stands beside the fields, so that equality, encoding and schemas go without it.

    @property
    def raw_json(self) -> bytes:
        """The service's own JSON of this item, byte for byte; empty for one that was made by hand.

        It is not part of equality, nor of the fields, and does not change with them. As long as an item is kept, so
        is the text of the page that it came with.
        """
        source: bytes | tuple[_Page, int] = vars(self).get("_source", b"")
        return source if isinstance(source, bytes) else source[0].line(source[1])

    @classmethod
    def from_json(cls, document: bytes | str) -> Self:
        """Read an item that was kept as JSON; it becomes its `raw_json`.

        Raises:
            DecodeError: It is not JSON or not an object, or its id does not fit.
        """
        raw = document.encode(errors="surrogatepass") if isinstance(document, str) else document
        item = get_item_decoder(cls)(raw)
        vars(item)["_source"] = raw
        return item

    def to_json(self) -> bytes:
        """Return the fields as JSON, with those of the service that no model has; `from_json` reads it back."""
        return msgspec.json.encode(self.to_builtins()) if self.raw_json else super().to_json()

    def to_builtins(self) -> Any:
        """Return the fields as dicts, lists, strings and numbers, with the fields of the service that no model has."""
        fields = super().to_builtins()
        return _with_unknown(fields, decode_json(self.raw_json)) if self.raw_json else fields

    def __copy__(self) -> Self:
        copied = msgspec.structs.replace(self)
        vars(copied).update(vars(self))
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        return *super().__reduce__(), {"_source": self.raw_json}


class _Page(msgspec.Struct, gc=False):
    """The JSON of a page, cut into lines when the first of them is asked for."""

    body: bytes
    list_field: str
    lines: list[bytes] = []

    def line(self, index: int) -> bytes:
        if not self.lines:
            self.lines = split_list(split_object(self.body)[self.list_field])
            self.body = b""
        return self.lines[index]


def set_raw_json(items: Iterable[ListItem], body: bytes, list_field: str) -> None:
    """Let all items of a page have their `raw_json`.

    Args:
        items: The items, in order.
        body: The page's JSON.
        list_field: Its field that holds the items.
    """
    page = _Page(body, list_field)
    for index, item in enumerate(items):
        item._source = (page, index)  # type: ignore[attr-defined]  # noqa: SLF001 - faster than by vars()


def _with_unknown(fields: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with what only the service's object has, also in the objects inside."""
    merged = raw | fields
    return {
        name: _with_unknown(value, raw[name]) if isinstance(value, dict) and isinstance(raw.get(name), dict) else value
        for name, value in merged.items()
    }
