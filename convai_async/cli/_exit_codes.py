"""The exit codes of every command."""

from __future__ import annotations

EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_OUTPUT = 3
EXIT_NOT_READY = 4
EXIT_INTERRUPTED = 130

EXIT_CODES = {
    0: "success",
    EXIT_SOME_FAILED: "something failed, the service cannot be reached, or you answered no",
    EXIT_USAGE: "wrong argument, key or archive: change something before the next try",
    EXIT_OUTPUT: "the output could not be written; what was harvested is in the archive",
    EXIT_NOT_READY: "wait: the conversation is not done yet",
    EXIT_INTERRUPTED: "interrupted before the end",
}
"""What each exit code means; `convai-async --help` prints this."""
