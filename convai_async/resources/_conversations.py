"""``client.conversations``."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Literal, Unpack

from convai_async import endpoints
from convai_async.endpoints._filter_help import describe_filters
from convai_async.endpoints._filters import ConversationFilters
from convai_async.errors import ConvAIError
from convai_async.pagination import Paginator
from convai_async.polling._many import (
    DEFAULT_CONCURRENCY,
    DeleteResult,
    Fetched,
    FetchResult,
    NotFetched,
    map_concurrently,
)
from convai_async.polling._wait import wait
from convai_async.polling._watch import Watch
from convai_async.resources._analysis import AnalysisResource
from convai_async.resources._audio import AudioResource
from convai_async.resources._feedback import FeedbackResource
from convai_async.resources._files import FilesResource
from convai_async.resources._messages import MessagesResource
from convai_async.resources._tags import TagsResource
from convai_async.resources._topics import TopicsResource

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable

    from convai_async._transport.engine import Engine
    from convai_async.endpoints import Moment
    from convai_async.models import (
        Conversation,
        ConversationSummary,
        ConversationSummaryWithMessages,
        SignedUrl,
        SipMessage,
        WebRTCToken,
    )
    from convai_async.models.enums import ConversationStatus


class Conversations:
    """The conversations of a workspace.

    Attributes:
        audio: Their recordings.
        feedback: Their ratings.
        files: Files that belong to them.
        messages: Search in what was said.
        analysis: Runs their analysis again.
        tags: Their tags.
        topics: What they are about; the same as ``client.agents.topics``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.audio = AudioResource(engine)
        self.feedback = FeedbackResource(engine)
        self.files = FilesResource(engine)
        self.messages = MessagesResource(engine)
        self.analysis = AnalysisResource(engine)
        self.tags = TagsResource(engine)
        self.topics = TopicsResource(engine)

    @describe_filters(ConversationFilters)
    def list(self, **filters: Unpack[ConversationFilters]) -> Paginator[ConversationSummary]:
        """List conversations, newest first (GET /v1/convai/conversations).

        Nothing is sent until the paginator is awaited (the first page) or iterated (all of them)::

            async for summary in client.conversations.list(agent_id="agent_1"):
                ...

        Args:
            **filters: What to list, and what to include: see `ConversationFilters`. Datetimes must have a time zone.

        Raises:
            TypeError: There is no such filter. (The service would ignore it and return everything.)
            InvalidArgumentError: A value is empty, out of range or of another type, or a range ends before it begins.
        """
        return Paginator(self._engine.send, endpoints.list_conversations(**filters))

    async def get(
        self,
        conversation_id: str,
        *,
        format: Literal["json", "opentelemetry"] | None = None,  # noqa: A002 - the service's name
    ) -> Conversation:
        """Get a conversation with its transcript (GET /v1/convai/conversations/{conversation_id}).

        Args:
            conversation_id: Which one.
            format: ``"opentelemetry"`` fills in ``otlp_traces``: OTLP traces of the form that post-request webhooks
                send; ``"json"`` by default.

        Raises:
            InvalidArgumentError: The id is empty or invalid, or the format is unknown.
            NotFoundError: It was deleted, or never there; right after a call ends, it may not be there yet.
            ConvAIError: As for any request.
        """
        return await self._engine.send(endpoints.get_conversation(conversation_id, format=format))

    async def resolve(self, agent_id: str, reference: str) -> Conversation:
        """Get the conversation of a Slack message or a Zendesk ticket (GET /v1/convai/conversations/resolve).

        Args:
            agent_id: The agent (``agent_…`` or ``seng_…``) that had the conversation.
            reference: The URL of the Slack message, or of the Zendesk ticket.

        Raises:
            InvalidArgumentError: The id or the URL is empty.
            NotFoundError: The agent had no such conversation.
            ConvAIError: As for any request.
        """
        return await self._engine.send(endpoints.resolve_conversation(agent_id, reference))

    async def get_summary(
        self, conversation_id: str, *, max_messages: int | None = None
    ) -> ConversationSummaryWithMessages:
        """Get a short view of a conversation (GET /v1/convai/conversations/{conversation_id}/summary).

        It has the title, the summary and the result of the success evaluation. The messages come with it only if
        there are few: all of them, or none, and then ``messages_omitted`` is True. Tool calls, their results and
        contextual updates are never part of it: `get` has them.

        Args:
            conversation_id: Which one.
            max_messages: The most messages that a conversation may have for them to be included, 0 or more; the
                service's choice by default. There is no way to get the first few messages of a longer conversation.

        Raises:
            InvalidArgumentError: The id is empty or invalid, or ``max_messages`` is negative.
            NotFoundError: There is none.
            ConvAIError: As for any request.
        """
        return await self._engine.send(endpoints.get_conversation_summary(conversation_id, max_messages=max_messages))

    async def wait(
        self, conversation_id: str, *, until: ConversationStatus = "done", timeout: float | None = 120.0
    ) -> Conversation:
        """Wait for a conversation to get a status, and return it then.

        Polls with pauses that grow from 1 to 15 seconds. A 404 is tolerated for half a minute: right after a call
        the service may not have the conversation yet.

        Args:
            conversation_id: Which one.
            until: The status to wait for: ``"initiated"``, ``"in-progress"``, ``"processing"``, ``"done"`` or
                ``"failed"``.
            timeout: Seconds to wait in all, 120 by default, plus at most a second for the last request; None disables
                it, and 0 asks once.

        Raises:
            InvalidArgumentError: The id is empty or invalid, there is no such status, or ``timeout`` is not a number of
                seconds.
            ConversationNotReadyError: The time is over, or it has ended with another status; ``.status`` is
                the last one.
            NotFoundError: It is still not there after half a minute.
            ConvAIError: As for any request.
        """
        return await wait(self._engine, conversation_id, until=until, timeout=timeout)

    @asynccontextmanager
    async def watch(
        self,
        *,
        agent_id: str | None = None,
        since: Moment | None = None,
        token: str | None = None,
        interval: float = 30.0,
    ) -> AsyncIterator[Watch]:
        """Watch for conversations: each comes once, when it has become final (done or failed).

        Temporary failures are retried. Save ``.token`` after you have dealt with a conversation, and a
        later watch goes on from there::

            async with client.conversations.watch(token=saved) as new:
                async for conversation in new:
                    await handle(conversation)
                    save(new.token)

        A call that lasts longer than a day is left out.

        Args:
            agent_id: Only conversations with this agent.
            since: Only those that started then or later: an aware datetime, or unix seconds; now by default.
            token: Where an earlier watch has got to, instead of ``since``.
            interval: Seconds between two requests for the list, 30 by default.

        Raises:
            InvalidArgumentError: On entering: an argument is invalid.
        """
        yield Watch(self._engine, agent_id=agent_id, since=since, token=token, interval=interval)

    def get_many(
        self, ids: Iterable[str] | AsyncIterable[str], *, max_concurrency: int = DEFAULT_CONCURRENCY
    ) -> AbstractAsyncContextManager[AsyncIterator[FetchResult]]:
        """Get many conversations at once; each comes as soon as it is there, in any order.

        A failure does not stop the others: its result carries the error::

            async with client.conversations.get_many(ids) as results:
                async for result in results:
                    if result.error is None:
                        print(result.conversation.analysis)
                    else:
                        print(result.conversation_id, result.error)

        Leaving the block cancels what is still under way. An error of ``ids`` itself is raised.

        Args:
            ids: Which ones: an iterable, or an async iterable, read as far as there is room for more.
            max_concurrency: How many to fetch at the same time, 16 by default; the client's own limit holds
                as well, and interactive requests go first.

        Raises:
            InvalidArgumentError: On entering: ``max_concurrency`` is not a whole number from 1, or ``ids`` is not an
                iterable of ids.
        """
        bulk = Conversations(self._engine.with_options(priority="bulk"))

        async def fetch(conversation_id: str) -> FetchResult:
            try:
                return Fetched(conversation_id, await bulk.get(conversation_id))
            except ConvAIError as error:
                return NotFetched(conversation_id, error)

        return map_concurrently(ids, fetch, max_concurrency)

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation (DELETE /v1/convai/conversations/{conversation_id}).

        When a reply is lost and the repeated request finds nothing, the first one did delete it: that is no
        error.

        Args:
            conversation_id: Which one.

        Raises:
            InvalidArgumentError: The id is empty or invalid.
            NotFoundError: There was none at the first attempt.
            ConvAIError: As for any request.
        """
        await self._engine.send(endpoints.delete_conversation(conversation_id))

    def delete_many(
        self, ids: Iterable[str] | AsyncIterable[str], *, max_concurrency: int = DEFAULT_CONCURRENCY
    ) -> AbstractAsyncContextManager[AsyncIterator[DeleteResult]]:
        """Delete many conversations at once; each is reported as soon as it is done, in any order.

        A failure does not stop the others: its result carries the error::

            async with client.conversations.delete_many(ids) as results:
                async for result in results:
                    if result.error is not None: ...

        Leaving the block cancels what is still under way: read the results to the end.

        Args:
            ids: Which ones: an iterable, or an async iterable, read as far as there is room for more.
            max_concurrency: How many to delete at the same time, 16 by default; the client's own limit holds
                as well, and interactive requests go first.

        Raises:
            InvalidArgumentError: On entering: ``max_concurrency`` is not a whole number from 1, or ``ids`` is not an
                iterable of ids.
        """
        bulk = Conversations(self._engine.with_options(priority="bulk"))

        async def delete(conversation_id: str) -> DeleteResult:
            try:
                await bulk.delete(conversation_id)
            except ConvAIError as error:
                return DeleteResult(conversation_id, error)
            return DeleteResult(conversation_id)

        return map_concurrently(ids, delete, max_concurrency)

    async def get_signed_url(  # noqa: PLR0913 - each by its name
        self,
        agent_id: str,
        *,
        include_conversation_id: bool | None = None,
        branch_id: str | None = None,
        version_id: str | None = None,
        environment: str | None = None,
        debug_events_request: bool | None = None,
    ) -> SignedUrl:
        """Get a URL that opens a conversation with a private agent (GET /v1/convai/conversation/get-signed-url).

        The URL is a secret, opens a conversation within 15 minutes, and is left out of the result's repr.

        Args:
            agent_id: The agent (``agent_…``), or the speech engine (``seng_…``).
            include_conversation_id: Whether the URL carries the conversation's id (then it works once, and
                ``.conversation_id`` of the result is filled in); False by default.
            branch_id: The branch of the agent.
            version_id: The version of the agent.
            environment: Whose variables the agent uses, such as ``"staging"``; ``"production"`` by default.
            debug_events_request: Whether the conversation sends events for debugging; only for users who may edit
                the agent.

        Raises:
            InvalidArgumentError: The id or a text is empty, or a flag is not a boolean.
            ConvAIError: As for any request.
        """
        request = endpoints.get_signed_url(
            agent_id,
            include_conversation_id=include_conversation_id,
            branch_id=branch_id,
            version_id=version_id,
            environment=environment,
            debug_events_request=debug_events_request,
        )
        return await self._engine.send(request)

    async def get_webrtc_token(  # noqa: PLR0913 - each by its name
        self,
        agent_id: str,
        *,
        participant_name: str | None = None,
        branch_id: str | None = None,
        version_id: str | None = None,
        environment: str | None = None,
        debug_events_request: bool | None = None,
    ) -> WebRTCToken:
        """Get a token that opens a WebRTC session with a private agent (GET /v1/convai/conversation/token).

        The token is a secret, and is left out of the result's repr.

        Args:
            agent_id: The agent (``agent_…``), or the speech engine (``seng_…``).
            participant_name: The name of the participant in the session; the user's id by default.
            branch_id: The branch of the agent.
            version_id: The version of the agent.
            environment: Whose variables the agent uses, such as ``"staging"``; ``"production"`` by default.
            debug_events_request: Whether the conversation sends events for debugging; only for users who may edit
                the agent.

        Raises:
            InvalidArgumentError: The id or a text is empty, or a flag is not a boolean.
            ConvAIError: As for any request.
        """
        request = endpoints.get_webrtc_token(
            agent_id,
            participant_name=participant_name,
            branch_id=branch_id,
            version_id=version_id,
            environment=environment,
            debug_events_request=debug_events_request,
        )
        return await self._engine.send(request)

    def get_sip_messages(
        self, conversation_id: str, *, page_size: int | None = None, cursor: str | None = None
    ) -> Paginator[SipMessage]:
        """List the SIP messages of a phone call (GET /v1/convai/conversations/{conversation_id}/sip-messages).

        Args:
            conversation_id: Which call's.
            page_size: Messages in a page, 1 to 100; the service's choice by default.
            cursor: Where to begin: a page's ``next_cursor``.

        Raises:
            InvalidArgumentError: The id is empty or invalid, or the page size is out of range.
        """
        return Paginator(
            self._engine.send, endpoints.get_sip_messages(conversation_id, page_size=page_size, cursor=cursor)
        )
