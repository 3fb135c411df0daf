"""Longer runs that CI does not make: ``nox -s mutation -- limits --sample 40``."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"


@nox.session
def mutation(session: nox.Session) -> None:
    """Make mistakes in the package on purpose, and list those that no test notices."""
    session.install("-e", ".[dev]")
    session.run("python", "tests/mutation/run.py", *session.posargs)
