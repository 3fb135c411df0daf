"""What `import convai_async` costs beside the import of the libraries that it stands on.

    python benchmarks/import_time.py

Alternates fresh interpreters, warms each statement once, and prints medians in milliseconds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

STATEMENTS = {
    "libraries": "import aiohttp, msgspec, tenacity, anyio",
    "convai_async": "import convai_async",
}
ROUNDS = 25


def milliseconds(statement: str) -> float:
    """The cumulative import time of a statement's modules, as `-X importtime` gives it."""
    # Installed packages have their bytecode beside them; so must a checkout.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-X", "importtime", "-c", statement]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    roots = []
    for line in result.stderr.splitlines():
        _, cumulative, name = line.removeprefix("import time:").split("|")
        if name.startswith("  ") or "imported package" in name:
            continue
        roots.append((name.strip(), int(cumulative)))
    names = {name.strip() for name in statement.removeprefix("import ").split(",")}
    return sum(cumulative for name, cumulative in roots if name in names) / 1000


def main() -> None:
    """Measure and print."""
    measured: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for round_number in range(ROUNDS + 1):
        for name, statement in STATEMENTS.items():
            took = milliseconds(statement)
            if round_number:
                measured[name].append(took)
    medians = {name: statistics.median(values) for name, values in measured.items()}
    for name, median in medians.items():
        print(f"{name:14} {median:7.1f} ms")
    print(f"{'ratio':14} {medians['convai_async'] / medians['libraries']:7.2f}")


if __name__ == "__main__":
    main()
