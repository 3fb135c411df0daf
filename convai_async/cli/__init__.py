"""The command line, ``convai-async``. It needs the extra ``cli``.

`app` is the click group with all commands. `main` runs it as a program.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convai_async.cli._app import app

__all__ = ["app", "main"]


def __getattr__(name: str) -> Any:
    """Import click when `app` is used, so that `main` can explain how to install it."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from convai_async.cli._app import app  # noqa: PLC0415

    return app


def main() -> None:
    """Run the command line and exit with one of `convai_async.cli._exit_codes`."""
    try:
        import click  # noqa: F401, PLC0415
        import rich  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        sys.stderr.write(f"convai-async: {error.name} is not installed: run pip install 'convai-async[cli]'\n")
        sys.exit(2)
    try:
        from convai_async.cli._app import run  # noqa: PLC0415
        from convai_async.cli._exit_codes import EXIT_OUTPUT  # noqa: PLC0415
        from convai_async.cli._output import escape_unencodable_text, flush_at_exit  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    escape_unencodable_text()
    code = run()
    sys.exit(code if flush_at_exit() else code or EXIT_OUTPUT)
