"""The name of a worker, in the table of harvests and in ``pg_stat_activity``."""

from __future__ import annotations

import os
import socket

WORKER_PREFIX = "convai-async worker "
"""The beginning of the name that the connections of a worker have in ``pg_stat_activity``."""


def get_worker_name() -> str:
    """Return the name of this process: its machine and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"
