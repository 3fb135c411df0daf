"""Faults that change documents and pages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from convai_async.testing.cursors import DETOUR
from convai_async.testing.faults._kinds import get_body
from convai_async.testing.responses import error_response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from convai_async.testing.faults._kinds import Fault, Proceed

JSON = dict[str, Any]


def change(edit: Callable[[JSON], object]) -> Fault:
    """Change the JSON of the response.

    ::

        fake.faults.add(faults.change(lambda document: document.update(user_id="user_1")))
        assert (await client.conversations.get(conversation_id)).user_id == "user_1"

    Args:
        edit: A function that changes the decoded document in place.
    """

    async def answer(_request: web.Request, proceed: Proceed) -> web.StreamResponse:
        document = msgspec.json.decode(get_body(await proceed()))
        edit(document)
        return json_response(document)

    return answer


def unknown_values() -> Fault:
    """Add unknown fields, enum values and union tags to a conversation, as a future version of the service could.

    ::

        fake.faults.add(faults.unknown_values())
        assert (await client.conversations.get(conversation_id)).status == "archived"
    """

    def edit(document: JSON) -> None:
        document["status"] = "archived"
        document["a_new_field"] = {"deep": [1]}
        for turn in document["transcript"]:
            turn["role"] = "supervisor"
            turn["tool_results"] = [{"type": "telepathy", "strength": 3}, {"type": None}, {}]

    return change(edit)


def bad_item(index: int = 0, *, item: Any = None) -> Fault:
    """Replace an item of a page.

    ::

        fake.faults.add(faults.bad_item(2, item={"agent_id": 7}), operation="list_conversations")
        page = await client.conversations.list()
        assert len(page.undecodable) == 1

    Args:
        index: The index of the item.
        item: The replacement.
    """

    def edit(page: JSON) -> None:
        items = next(value for value in page.values() if isinstance(value, list))
        items[index] = item

    return change(edit)


def empty_page() -> Fault:
    """Insert an empty page before the requested one.

    ::

        fake.faults.add(faults.empty_page(), operation="list_conversations")
        summaries = await client.conversations.list().collect()
        assert len(summaries) == len(fake.conversations)  # complete
    """

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        document = msgspec.json.decode(get_body(await proceed()))
        items = next(name for name, value in document.items() if isinstance(value, list))
        here = request.query.get("cursor", "")
        return json_response({items: [], "next_cursor": here + DETOUR, "has_more": True})

    return answer


def repeat_cursor(cursor: str) -> Fault:
    """Set the next cursor of every page to the same value.

    ::

        fake.faults.add(faults.repeat_cursor("a_cursor"), operation="list_conversations", times=None)
        with pytest.raises(ConvAIError):
            await once.conversations.list().collect()
    """
    return change(lambda page: page.update(next_cursor=cursor, has_more=True))


def more_without_cursor() -> Fault:
    """Set ``has_more`` without a next cursor.

    ::

        fake.faults.add(faults.more_without_cursor(), operation="list_conversations")
        with pytest.raises(PaginationError):
            await client.conversations.list().collect()
    """
    return change(lambda page: page.update(next_cursor=None, has_more=True))


def expiring_cursors(
    *, after: int | None = None, seconds: float | None = None, clock: Callable[[], float] = time.monotonic
) -> Fault:
    """Reject a cursor with a 422 some requests or seconds after it was issued. Add it with ``times=None``.

    ::

        fake.faults.add(faults.expiring_cursors(after=1), operation="list_conversations", times=None)
        page = await client.conversations.list(page_size=2)
        await client.conversations.list(page_size=3)
        with pytest.raises(ValidationError):
            await client.conversations.list(page_size=2, cursor=page.next_cursor)

    Args:
        after: The number of requests for which a cursor is valid; None for no limit.
        seconds: The number of seconds for which it is valid; None for no limit.
        clock: Returns the time in seconds.
    """
    issued: dict[str, tuple[int, float]] = {}
    count = 0

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        nonlocal count
        count += 1
        number, moment = issued.get(request.query.get("cursor", ""), (count, clock()))
        if (after is not None and count - number > after) or (seconds is not None and clock() - moment > seconds):
            return error_response(422, "invalid_cursor", "The cursor has expired.")
        response = await proceed()
        cursor = msgspec.json.decode(get_body(response)).get("next_cursor")
        if cursor is not None:
            issued[cursor] = count, clock()
        return response

    return answer
