"""The command line, ``convai-async``; it needs the extra ``cli``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit; `convai_async.cli._exit_codes` says with which codes."""
    try:
        import click  # noqa: F401, PLC0415
        import rich  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        sys.stderr.write(f"convai-async: the command line needs {error.name}: pip install 'convai-async[cli]'\n")
        sys.exit(2)
    try:
        from convai_async.cli._app import run  # noqa: PLC0415
        from convai_async.cli._exit_codes import EXIT_OUTPUT  # noqa: PLC0415
        from convai_async.cli._output import accept_any_text, flush_at_exit  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    accept_any_text()
    code = run()
    sys.exit(code if flush_at_exit() else code or EXIT_OUTPUT)
