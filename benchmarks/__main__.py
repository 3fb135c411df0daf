"""The command: make an environment, and go on in it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).parent.parent
ENVIRONMENT = PROJECT / ".venv-benchmarks"


def main() -> None:
    """Make the environment of the contenders, and run the suite in it."""
    python = ENVIRONMENT / "bin/python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "-e", f"{PROJECT}[benchmarks]"]
    subprocess.run(pip, check=True)
    # Installed packages have their bytecode beside them; so must a checkout, or imports would look slow.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [str(python), "-m", "benchmarks.suite", *sys.argv[1:]]
    sys.exit(subprocess.run(command, check=False, cwd=PROJECT, env=environ).returncode)


if __name__ == "__main__":
    main()
