"""Run functions on every conversation of an archive, and store their results.

::

    from convai_async import Conversation, steps

    @steps.step("score", version=1)
    async def score(conversation: Conversation) -> dict[str, int]:
        return {"turns": len(conversation.transcript)}

    await steps.run_steps("calls.db", [score])
"""

from convai_async.archive._steps._records import StepFailure, StepStatus
from convai_async.steps._api import get_step_failures, get_step_status, retry_steps, run_steps
from convai_async.steps._module import load_steps
from convai_async.steps._report import StepReport
from convai_async.steps._step import Step, step

__all__ = [
    "Step",
    "StepFailure",
    "StepReport",
    "StepStatus",
    "get_step_failures",
    "get_step_status",
    "load_steps",
    "retry_steps",
    "run_steps",
    "step",
]
