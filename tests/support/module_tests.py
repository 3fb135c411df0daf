"""Which tests to run when a part of the package changes.

``pytest $(python tests/support/module_tests.py)`` runs those of the files that differ from main, and
``pytest $(python tests/support/module_tests.py convai_async/retry.py)`` those of one file. The table in CONTRIBUTING.md
is made of `TESTS` too: ``python tests/support/module_tests.py --table``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Tests(NamedTuple):
    """The tests of a part of the package.

    Attributes:
        quick: Files and folders that take seconds, to run after each change. The mutation run uses these.
        thorough: Files that take longer, to run before the change is handed in.
    """

    quick: str
    thorough: str = ""


TESTS: dict[str, Tests] = {
    "_configuration": Tests("tests/test_client.py", "tests/robustness/test_bad_arguments.py"),
    "_support": Tests(
        "tests/test_atomic_files.py tests/test_clock.py tests/transport/test_work.py tests/test_ranges.py"
        " tests/endpoints/test_arguments.py",
        "tests/robustness/test_killed_files.py tests/robustness/test_bad_arguments.py",
    ),
    "_transport": Tests(
        "tests/transport tests/test_clock.py tests/test_client.py tests/test_streaming.py"
        " tests/resources/test_requests_by_path.py",
        "tests/robustness/test_hostile_responses.py tests/robustness/test_network.py tests/robustness/test_tls.py"
        " tests/robustness/test_proxies.py tests/robustness/test_secrets.py tests/robustness/test_leaks.py",
    ),
    "archive": Tests(
        "tests/archive tests/harvest/test_workspace.py tests/robustness/test_erasure.py",
        "tests/harvest tests/robustness/test_crash_matrix.py"
        " tests/robustness/test_hostile_archives.py tests/robustness/test_hostile_files.py"
        " tests/robustness/test_concurrent_writers.py tests/robustness/test_postgres_chaos.py"
        " tests/robustness/test_fuzz_archive.py tests/robustness/test_killed_files.py",
    ),
    "browse": Tests("tests/browse", "tests/cli/test_browse_command.py"),
    "cli": Tests("tests/cli", "tests/robustness/test_secrets.py tests/robustness/test_erasure.py"),
    "client": Tests("tests/test_client.py", "tests/robustness/test_bad_arguments.py tests/robustness/test_secrets.py"),
    "dialogues": Tests("tests/test_dialogues.py"),
    "dlt": Tests("tests/test_dlt.py"),
    "endpoints": Tests(
        "tests/endpoints tests/polling/test_wait_and_watch.py",
        "tests/robustness/test_bad_arguments.py tests/typing/test_editor.py",
    ),
    "errors": Tests("tests/test_errors.py", "tests/robustness/test_secrets.py"),
    "harvest": Tests("tests/harvest", "tests/robustness/test_crash_matrix.py tests/robustness/test_cancellation.py"),
    "live": Tests(
        "tests/live tests/robustness/test_hostile_websockets.py",
        "tests/robustness/test_live_chaos.py tests/robustness/test_cancellation.py tests/robustness/test_leaks.py",
    ),
    "mcp": Tests("tests/mcp tests/archive/test_query.py"),
    "models": Tests(
        "tests/models",
        "tests/robustness/test_fuzz.py tests/robustness/test_decoding_in_parts.py",
    ),
    "pagination": Tests("tests/test_pagination.py tests/endpoints/test_page.py"),
    "polling": Tests("tests/polling", "tests/robustness/test_cancellation.py"),
    "report": Tests("tests/report"),
    "resources": Tests("tests/resources tests/endpoints", "tests/robustness/test_blocking.py"),
    "retry": Tests(
        "tests/test_retry.py tests/transport/test_retries.py tests/transport/test_throttling.py",
        "tests/robustness/test_chaos.py",
    ),
    "steps": Tests("tests/steps"),
    "streaming": Tests(
        "tests/test_streaming.py tests/test_ranges.py",
        "tests/robustness/test_hostile_responses.py tests/robustness/test_killed_files.py",
    ),
    "testing": Tests("tests/testing"),
    "webhooks": Tests("tests/test_webhooks.py"),
    "workers": Tests("tests/workers tests/cli/test_worker_command.py"),
}
"""By the name of a package or module in ``convai_async``."""


def main(arguments: list[str]) -> str:
    """Return the table, or the tests of files as arguments for pytest."""
    if arguments == ["--table"]:
        return make_table()
    git = ["git", "diff", "--name-only", "main"]
    changed = arguments or subprocess.run(git, check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()
    return " ".join(find_tests(changed))


def find_tests(paths: list[str]) -> list[str]:
    """Return the quick tests of files of the package, and the files of tests themselves."""
    tests: dict[str, None] = {}
    for path in paths:
        top, *rest = Path(path).parts
        if top == "convai_async" and (part := Path(rest[0]).stem) in TESTS:
            tests |= dict.fromkeys(TESTS[part].quick.split())
        elif Path(path).name.startswith("test_"):
            tests[path] = None
    return list(tests)


def make_table() -> str:
    """Return the table of parts and tests in Markdown."""
    rows = [(f"`{part}`", *map(_code, tests)) for part, tests in TESTS.items()]
    header = [("A change in", "After each change", "Before it is handed in"), ("---", "---", "---")]
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in [*header, *rows])


def _code(tests: str) -> str:
    return "<br>".join(f"`{each.removeprefix('tests/')}`" for each in tests.split())


if __name__ == "__main__":
    print(main(sys.argv[1:]))
