"""The command line, ``convai-async``; it needs the extra ``cli``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit: 0 all went well, 1 some failed, 2 usage, 130 interrupted."""
    try:
        import click  # noqa: F401, PLC0415
        import rich  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        sys.stderr.write(f"convai-async: the command line needs {error.name}: pip install 'convai-async[cli]'\n")
        sys.exit(2)
    try:
        from convai_async.cli._app import run  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run())
