"""``client.conversations``."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Literal, Unpack

from convai_async import endpoints
from convai_async._support.text import Secret
from convai_async.endpoints._filter_help import describe_filters
from convai_async.endpoints._filters import ConversationFilters
from convai_async.live._connect import build_initiation, connect
from convai_async.live._handshake import Authorization, HandshakeBuilder
from convai_async.live._monitor import Monitor, monitor
from convai_async.pagination import Paginator
from convai_async.polling._many import DEFAULT_CONCURRENCY, DeleteResult, FetchResult, delete_many, get_many
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
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
    from typing import Any

    from convai_async._transport.engine import Engine
    from convai_async.endpoints import Moment
    from convai_async.live._session import LiveConversation
    from convai_async.live._tool_runner import ApproveMCPTool
    from convai_async.live._tools import ToolFunction
    from convai_async.models import (
        ConfigOverride,
        Conversation,
        ConversationSummary,
        ConversationSummaryWithMessages,
        InitiationData,
        SignedUrl,
        SipMessage,
        WebRTCToken,
    )
    from convai_async.models.enums import ConversationStatus


class Conversations:
    """The conversations of a workspace: ``client.conversations``.

    Every method that sends a request can raise the errors that `convai_async.errors` lists, such as
    `InvalidArgumentError` for an empty or invalid id. The methods name only errors with a particular meaning.

    Attributes:
        audio: Recordings.
        feedback: Ratings.
        files: Uploaded files.
        messages: Search in transcripts.
        analysis: Analyses, to run them again.
        tags: Tags.
        topics: Topics; the same as ``client.agents.topics``.
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

        Nothing is sent until you await the paginator (for the first page) or iterate over it (for all pages)::

            async for summary in client.conversations.list(agent_id="agent_1"):
                ...

        Args:
            **filters: The keys of `ConversationFilters`. None leaves a filter out.

        Raises:
            TypeError: A filter is unknown. (The service would ignore it, and return everything.)
            InvalidArgumentError: A value is empty, out of range or of the wrong type, or a range ends before it begins.
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
            conversation_id: The conversation (``conv_…``).
            format: ``"opentelemetry"`` to get `Conversation.otlp_traces`, in the format of post-request webhooks;
                ``"json"`` by default.

        Raises:
            NotFoundError: The conversation does not exist or was deleted. It may not exist yet right after its call
                ends: see `wait`.
        """
        return await self._engine.send(endpoints.get_conversation(conversation_id, format=format))

    async def resolve(self, agent_id: str, reference: str) -> Conversation:
        """Get the conversation of a Slack message or a Zendesk ticket (GET /v1/convai/conversations/resolve).

        Args:
            agent_id: The agent (``agent_…``) or speech engine (``seng_…``) of the conversation.
            reference: The URL of the Slack message or of the Zendesk ticket.

        Raises:
            NotFoundError: The agent had no such conversation.
        """
        return await self._engine.send(endpoints.resolve_conversation(agent_id, reference))

    async def get_summary(
        self, conversation_id: str, *, max_messages: int | None = None
    ) -> ConversationSummaryWithMessages:
        """Get a short summary of a conversation (GET /v1/convai/conversations/{conversation_id}/summary).

        It has the title, the summary, the result of the success evaluation, and either all messages or none. It never
        has tool calls, tool results or contextual updates: use `get` for those.

        Args:
            conversation_id: The conversation (``conv_…``).
            max_messages: The maximum number of messages, 0 or more; the service decides by default. If the conversation
                has more, ``messages`` is empty and ``messages_omitted`` is True.

        Raises:
            NotFoundError: The conversation does not exist.
        """
        return await self._engine.send(endpoints.get_conversation_summary(conversation_id, max_messages=max_messages))

    async def wait(
        self, conversation_id: str, *, until: ConversationStatus = "done", timeout: float | None = 120.0
    ) -> Conversation:
        """Wait until a conversation reaches a status, and return it.

        Polls GET /v1/convai/conversations/{conversation_id} with pauses that grow from 1 to 15 seconds. A 404 is
        ignored for 30 seconds, since the conversation may not exist yet right after its call ends.

        Args:
            conversation_id: The conversation (``conv_…``).
            until: The status to wait for, such as ``"processing"``; ``"done"`` by default.
            timeout: The maximum time in seconds, 120 by default. None waits without a limit.

        Raises:
            InvalidArgumentError: The status is unknown, or the timeout is not a number of seconds.
            ConversationNotReadyError: The timeout is over, or the conversation ended with another status, which
                ``.status`` has.
            NotFoundError: The conversation does not exist after 30 seconds.
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
        """Watch for conversations that end, and yield each one once, when its status is final (done or failed).

        Retryable errors are retried. To resume later, save ``.token`` after you have handled a conversation::

            async with client.conversations.watch(token=saved) as watch:
                async for conversation in watch:
                    await handle(conversation)
                    save(watch.token)

        Conversations that last longer than a day are left out.

        Args:
            agent_id: Only conversations with this agent.
            since: Only conversations that started at this time or later: an aware datetime, or Unix seconds; now by
                default.
            token: The ``.token`` of an earlier watch to resume, instead of ``since``.
            interval: The seconds between two requests of the list, 30 by default.

        Raises:
            InvalidArgumentError: An argument is invalid. Raised by ``async with``.
        """
        yield Watch(self._engine, agent_id=agent_id, since=since, token=token, interval=interval)

    def get_many(
        self, ids: Iterable[str] | AsyncIterable[str], *, max_concurrency: int = DEFAULT_CONCURRENCY
    ) -> AbstractAsyncContextManager[AsyncIterator[FetchResult]]:
        """Get many conversations concurrently, and yield each result as soon as it is available, in any order.

        An error does not stop the others: it is part of its result::

            async with client.conversations.get_many(ids) as results:
                async for result in results:
                    if result.error is None:
                        print(result.conversation.analysis)
                    else:
                        print(result.conversation_id, result.error)

        Leaving the block cancels the requests that are still running.

        Args:
            ids: An iterable or an async iterable of ids, which is read as needed. Its own errors are raised.
            max_concurrency: The maximum number of concurrent requests, 16 by default. The client's limit applies as
                well, and its interactive requests take precedence.

        Raises:
            InvalidArgumentError: ``max_concurrency`` is not a positive integer, or ``ids`` is not an iterable of ids.
                Raised by ``async with``.
        """
        return get_many(self._engine, ids, max_concurrency)

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation (DELETE /v1/convai/conversations/{conversation_id}).

        A 404 after a retry counts as success, since the first attempt deleted the conversation.

        Args:
            conversation_id: The conversation (``conv_…``).

        Raises:
            NotFoundError: The conversation does not exist.
        """
        await self._engine.send(endpoints.delete_conversation(conversation_id))

    def delete_many(
        self, ids: Iterable[str] | AsyncIterable[str], *, max_concurrency: int = DEFAULT_CONCURRENCY
    ) -> AbstractAsyncContextManager[AsyncIterator[DeleteResult]]:
        """Delete many conversations concurrently, and yield each result as soon as it is available, in any order.

        An error does not stop the others: it is part of its result::

            async with client.conversations.delete_many(ids) as results:
                async for result in results:
                    if result.error is not None:
                        print(result.conversation_id, result.error)

        Leaving the block cancels the requests that are still running, so iterate over all results.

        Args:
            ids: An iterable or an async iterable of ids, which is read as needed. Its own errors are raised.
            max_concurrency: The maximum number of concurrent requests, 16 by default. The client's limit applies as
                well, and its interactive requests take precedence.

        Raises:
            InvalidArgumentError: ``max_concurrency`` is not a positive integer, or ``ids`` is not an iterable of ids.
                Raised by ``async with``.
        """
        return delete_many(self._engine, ids, max_concurrency)

    async def get_signed_url(  # noqa: PLR0913 - keyword-only options
        self,
        agent_id: str,
        *,
        include_conversation_id: bool | None = None,
        branch_id: str | None = None,
        version_id: str | None = None,
        environment: str | None = None,
        debug_events_request: bool | None = None,
    ) -> SignedUrl:
        """Get a URL that starts a conversation with a private agent (GET /v1/convai/conversation/get-signed-url).

        The URL is a secret and expires after 15 minutes. The repr of the result does not show it.

        Args:
            agent_id: The agent (``agent_…``) or speech engine (``seng_…``).
            include_conversation_id: Whether the URL contains the id of the conversation, which
                `SignedUrl.conversation_id` then returns. Such a URL works once. False by default.
            branch_id: The branch of the agent.
            version_id: The version of the agent.
            environment: The environment whose variables the agent uses, such as ``"staging"``; ``"production"`` by
                default.
            debug_events_request: Whether the conversation sends debug events. Only for users who may edit the agent.
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

    async def get_webrtc_token(  # noqa: PLR0913 - keyword-only options
        self,
        agent_id: str,
        *,
        participant_name: str | None = None,
        branch_id: str | None = None,
        version_id: str | None = None,
        environment: str | None = None,
        debug_events_request: bool | None = None,
    ) -> WebRTCToken:
        """Get a token that starts a WebRTC session with a private agent (GET /v1/convai/conversation/token).

        The token is a secret. The repr of the result does not show it.

        Args:
            agent_id: The agent (``agent_…``) or speech engine (``seng_…``).
            participant_name: The name of the participant in the session; the user's id by default.
            branch_id: The branch of the agent.
            version_id: The version of the agent.
            environment: The environment whose variables the agent uses, such as ``"staging"``; ``"production"`` by
                default.
            debug_events_request: Whether the conversation sends debug events. Only for users who may edit the agent.
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

    def connect(  # noqa: PLR0913 - keyword-only options
        self,
        agent_id: str | None = None,
        *,
        text_only: bool | None = None,
        dynamic_variables: Mapping[str, Any] | None = None,
        overrides: ConfigOverride | Mapping[str, Any] | None = None,
        user_id: str | None = None,
        branch_id: str | None = None,
        environment: str | None = None,
        initiation: InitiationData | Mapping[str, Any] | None = None,
        tools: Mapping[str, ToolFunction] | None = None,
        tool_timeout: float | None = 30.0,
        approve_mcp_tool: ApproveMCPTool | None = None,
        authorization: Authorization = "signed_url",
        signed_url: str | None = None,
        token: str | None = None,
        timeout: float | None = 10.0,
        queue_timeout: float | None = 600.0,
        max_buffered_bytes: int = 16 * 1024 * 1024,
    ) -> AbstractAsyncContextManager[LiveConversation]:
        """Talk to an agent (WebSocket /v1/convai/conversation).

        ``async with`` returns when the service has accepted the conversation, and ends it after the block::

            async with client.conversations.connect("agent_1", text_only=True) as live:
                reply = await live.ask("Where is my order?")
                print(reply.text)

        A conversation is not limited by ``max_concurrency``. One that was lost is not opened again, since the service
        cannot resume it.

        Args:
            agent_id: The agent (``agent_…``). Not needed with a ``signed_url``.
            text_only: Whether the conversation has no audio. Except with None (default), the agent must allow this
                override in its security settings.
            dynamic_variables: Strings, numbers and booleans by name, for the agent's prompts.
            overrides: Changes to the agent's configuration, which the agent must allow. A dict is sent unchanged; of a
                `ConfigOverride`, the fields without their defaults are sent. A ``prompt`` replaces the whole prompt
                with its tools.
            user_id: The id of the user in your application.
            branch_id: The branch of the agent.
            environment: The environment whose variables the agent uses, such as ``"staging"``.
            initiation: More settings; the arguments above take precedence.
            tools: The client's tools: functions and async functions by the names that the agent knows. They run in the
                background, functions that are not async in a thread. Arguments are converted to the types of the
                annotations, and wrong ones are reported to the agent. The result is text, or anything that can be
                encoded as JSON. An exception is reported as an error; the agent gets the text of a `ToolError` only. A
                tool that is not here is reported as an error. None leaves tool calls to you: answer them with
                `LiveConversation.send_tool_result`.
            tool_timeout: The maximum time of a tool in seconds, 30 by default. A thread is not stopped, but its result
                is not used. None means no limit.
            approve_mcp_tool: Called with an `MCPToolCall` that needs an approval, and returns whether to allow it. A
                function or an async function; by default all are refused.
            authorization: ``"signed_url"`` (default) gets a signed URL with the API key, for any agent. ``"api_key"``
                sends the API key to the WebSocket instead, which saves a request. ``"none"`` is for public agents.
            signed_url: A signed URL that you have; it is a secret.
            token: A conversation token that you have; it is a secret.
            timeout: The maximum seconds from the opened connection to the start of the conversation, without the queue;
                10 by default. None means no limit. Opening the connection has the client's timeout and retries.
            queue_timeout: The maximum seconds in the queue of an agent that is busy, 600 by default. None means no
                limit.
            max_buffered_bytes: The maximum size of received events that were not read yet, and of the events of a reply
                to `LiveConversation.ask`, 16 MiB by default.

        Raises:
            AuthenticationError: The service refused the key, the URL or the token. `PermissionDeniedError` as well.
            ConversationRefusedError: The service ended the conversation before it began, for example because of an
                override that is not allowed or a dynamic variable that is missing.
            RequestTimeoutError: The conversation did not start in time, or stayed in the queue.
        """
        # Keep secrets out of tracebacks that show local variables.
        signed_url = None if signed_url is None else Secret(signed_url)
        token = None if token is None else Secret(token)
        handshake = HandshakeBuilder(
            agent_id=agent_id,
            signed_url=signed_url,
            token=token,
            authorization=authorization,
            branch_id=branch_id,
            environment=environment,
        )
        first_message = build_initiation(
            initiation,
            text_only=text_only,
            overrides=overrides,
            dynamic_variables=dynamic_variables,
            user_id=user_id,
            **handshake.initiation_fields,
        )
        return connect(
            self._engine,
            handshake,
            first_message,
            tools=tools,
            tool_timeout=tool_timeout,
            approve_mcp_tool=approve_mcp_tool,
            timeout=timeout,
            queue_timeout=queue_timeout,
            max_buffered_bytes=max_buffered_bytes,
        )

    def monitor(
        self, conversation_id: str, *, max_buffered_bytes: int = 16 * 1024 * 1024
    ) -> AbstractAsyncContextManager[Monitor]:
        """Watch a running conversation (WebSocket /v1/convai/conversations/{conversation_id}/monitor).

        The agent must allow it (``monitoring_enabled``), and the key needs the permission to edit agents::

            async with client.conversations.monitor("conv_1") as watching:
                async for event in watching:
                    print(event)

        Args:
            conversation_id: The conversation (``conv_…``), which has not ended.
            max_buffered_bytes: The maximum size of received events that were not read yet, 16 MiB by default.

        Raises:
            NotFoundError: The conversation does not exist or has ended. Raised by ``async with``, as all others.
        """
        return monitor(self._engine, conversation_id, max_buffered_bytes)

    def get_sip_messages(
        self, conversation_id: str, *, page_size: int | None = None, cursor: str | None = None
    ) -> Paginator[SipMessage]:
        """List the SIP messages of a phone call (GET /v1/convai/conversations/{conversation_id}/sip-messages).

        Args:
            conversation_id: The conversation (``conv_…``).
            page_size: The maximum number of messages in a page, 1 to 100; the service decides by default.
            cursor: The first page to load: the ``next_cursor`` of the page before it.
        """
        return Paginator(
            self._engine.send, endpoints.get_sip_messages(conversation_id, page_size=page_size, cursor=cursor)
        )
