"""The exit codes of all commands."""

from __future__ import annotations

EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_OUTPUT = 3
EXIT_NOT_READY = 4
EXIT_INTERRUPTED = 130

EXIT_CODES = {
    0: "success",
    EXIT_SOME_FAILED: "some or all failed, the archive is busy or unreachable, or you said no",
    EXIT_USAGE: "invalid argument, API key or archive: change it before you retry",
    EXIT_OUTPUT: "standard output could not be written; harvested conversations are saved",
    EXIT_NOT_READY: "wait: the conversation is not done yet",
    EXIT_INTERRUPTED: "interrupted",
}
"""The meaning of each exit code, as `convai-async --help` shows it."""
