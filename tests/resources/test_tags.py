"""`client.conversations.tags`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from convai_async.errors import InvalidArgumentError, NotFoundError
from convai_async.models import ConversationTag

if TYPE_CHECKING:
    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI


async def test_tags_are_created_updated_assigned_listed_and_deleted(client: ConvAIClient, fake: FakeConvAI) -> None:
    tags = client.conversations.tags
    made = [await tags.create(f"tag {number}", description="d" if number else None) for number in range(5)]
    assert all(isinstance(tag, ConversationTag) for tag in made)
    assert [tag.title async for tag in tags.list(page_size=2)] == [f"tag {number}" for number in range(4, -1, -1)]
    assert await tags.get(made[0].tag_id) == made[0]
    assert made[0].created_at is not None

    changed = await tags.update(made[0].tag_id, title="urgent")
    assert (changed.title, changed.description) == ("urgent", None)
    assert fake.requests[-1].body == b'{"title":"urgent"}'
    assert (await tags.update(made[1].tag_id, description=None)).description is None
    with pytest.raises(InvalidArgumentError, match=r"^title: pass title="):
        await tags.update(made[0].tag_id)

    conversation_id = list(fake.conversations)[3]
    await tags.assign(conversation_id, tag_ids=[made[0].tag_id, made[1].tag_id])
    assert (await client.conversations.get(conversation_id)).tag_ids == tuple(sorted([made[0].tag_id, made[1].tag_id]))
    found = await client.conversations.list(tag_ids=[made[0].tag_id]).collect()
    assert [summary.conversation_id for summary in found] == [conversation_id]
    await tags.unassign(conversation_id, made[0].tag_id)
    assert await client.conversations.list(tag_ids=[made[0].tag_id]).collect() == []

    await tags.delete(made[0].tag_id)
    with pytest.raises(NotFoundError, match="tag_not_found"):
        await tags.get(made[0].tag_id)


@pytest.mark.parametrize("tag_ids", ["tag_1", [], [""]])
async def test_invalid_tag_ids_are_refused_by_name(client: ConvAIClient, fake: FakeConvAI, tag_ids: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^tag_ids: "):
        await client.conversations.tags.assign("conv_1", tag_ids=tag_ids)
    assert fake.requests == []
