"""Live conversations with a fake service, in which the agent behaves as a test says.

`FakeConvAI.live` has the agents and the conversations; `faults` has the faults of connections and events.
"""

from convai_async.testing.live import faults
from convai_async.testing.live.conversation import ConversationEnd, FakeConversation, SentPing
from convai_async.testing.live.fault_rules import FrameFault, FrameFaults, FrameRule
from convai_async.testing.live.received import ReceivedMessages
from convai_async.testing.live.service import LiveService
from convai_async.testing.live.turns import ToolResult, Turn
from convai_async.testing.live.user_turn import UserTurn

__all__ = [
    "ConversationEnd",
    "FakeConversation",
    "FrameFault",
    "FrameFaults",
    "FrameRule",
    "LiveService",
    "ReceivedMessages",
    "SentPing",
    "ToolResult",
    "Turn",
    "UserTurn",
    "faults",
]
