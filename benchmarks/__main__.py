"""Create the environment for the benchmarks, then run them in it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).parent.parent
ENVIRONMENT = PROJECT / ".venv-benchmarks"


def main() -> None:
    """Create or update the environment, and run the benchmarks in it."""
    python = ENVIRONMENT / "bin/python"
    if not python.exists():
        print(f"Creating {ENVIRONMENT.name} and installing the libraries to compare ...", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--upgrade", "pip"], check=True)  # one that knows dependency groups
    subprocess.run([*pip, "-e", ".", "--group", "benchmarks"], check=True, cwd=PROJECT)
    # Without bytecode files for the checkout, its imports would look slower than those of installed packages.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [str(python), "-m", "benchmarks.runner", *sys.argv[1:]]
    sys.exit(subprocess.run(command, check=False, cwd=PROJECT, env=environ).returncode)


if __name__ == "__main__":
    main()
