"""Run SQL of an assistant in a process that can be ended at any time.

SQLite looks for an interrupt only between its own steps: one function on long values, or a query that is long to
compile, can take hours and all memory.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from convai_async.archive import ArchiveError, QueryError, run_query
from convai_async.mcp._untrusted import format_rows

if TYPE_CHECKING:
    from threading import Event

_START_SECS = 5.0
_LOOK_SECS = 0.05
_MEMORY_BYTES = 2**30
_EXPECTED = 3
"""The exit code with which the output is the text of an expected error; Python itself uses 1 and 2."""


def run_in_process(  # noqa: PLR0913 - keyword-only
    path: Path, sql: str, *, max_rows: int, max_text: int, stop: Event, timeout_secs: float = 10.0
) -> str:
    """Run a query as `run_query` does, in a process of limited time and memory, and return its rows as marked text.

    Args:
        path: The archive.
        sql: One SELECT.
        max_rows: The maximum number of rows.
        max_text: The length after which text is cut.
        stop: An event that ends the query when it is set.
        timeout_secs: After how many seconds the query is interrupted. If that does not end it, the process is killed.

    Raises:
        QueryError: The query is not valid SQL, is not permitted, or exceeded a limit.
        ArchiveError: The archive cannot be read.
    """
    request: bytes | None = json.dumps([str(path), sql, max_rows, max_text, timeout_secs]).encode()
    deadline = time.monotonic() + timeout_secs + _START_SECS
    # -P: the folder in which the command was started is not searched for modules.
    with subprocess.Popen(  # noqa: S603 - this module
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        output = None
        while output is None:
            try:
                output = process.communicate(request, timeout=_LOOK_SECS)[0].decode()
            except subprocess.TimeoutExpired:
                request = None  # it is being sent
                if stop.is_set() or time.monotonic() > deadline:
                    process.kill()
    if process.returncode == _EXPECTED:
        raise ArchiveError(output)
    if process.returncode != 0:
        raise QueryError(f"the query failed: it took more than {timeout_secs:g} s, or too much memory: read less")
    return output


def _main() -> None:
    path, sql, max_rows, max_text, timeout_secs = json.load(sys.stdin)
    _limit_process(timeout_secs)
    try:
        result = run_query(Path(path), sql, max_rows=max_rows, timeout_secs=timeout_secs)
    except ArchiveError as error:
        sys.stdout.buffer.write(str(error).encode(errors="replace"))
        sys.exit(_EXPECTED)
    sys.stdout.buffer.write(format_rows(result, max_text).encode())


def _limit_process(timeout_secs: float) -> None:
    # Where the system has no limits, the parent still ends the process in time.
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - not on Windows

        secs = math.ceil(timeout_secs + _START_SECS)
        resource.setrlimit(resource.RLIMIT_CPU, (secs, secs))  # also if the parent is killed
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


if __name__ == "__main__":
    _main()
