"""Look for known vulnerabilities in what ``pip install`` would install: ``python .ci/audit.py '.[cli]'``.

Exits with 1 when there are some. Where the data on vulnerabilities cannot be reached, it says so and exits with 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def main(package: str) -> int:
    """Resolve the package's requirements, audit them, and print the result."""
    with tempfile.TemporaryDirectory() as folder:
        resolved, pins, audited = (Path(folder, name) for name in ("pip.json", "pins.txt", "audit.json"))
        run("pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", str(resolved), package)
        found = [
            each for each in json.loads(resolved.read_text())["install"] if "dir_info" not in each["download_info"]
        ]
        pins.write_text("".join("{name}=={version}\n".format_map(each["metadata"]) for each in found))
        # It exits with 1 for a vulnerability and for a connection that failed: the report tells which.
        options = ["--progress-spinner", "off", "--no-deps", "--disable-pip", "--format", "json"]
        run("pip_audit", *options, "--requirement", str(pins), "--output", str(audited), check=False)
        if not audited.exists():
            print("THE AUDIT WAS NOT DONE: the data on vulnerabilities cannot be reached from here")
            return 0
        return report(json.loads(audited.read_text())["dependencies"])


def run(module: str, *arguments: str, check: bool = True) -> None:
    """Run a module of this environment."""
    subprocess.run([sys.executable, "-m", module, *arguments], check=check)


def report(packages: list[dict[str, Any]]) -> int:
    """Print how many packages were audited, and the vulnerabilities of those that have some."""
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    vulnerable = [each for each in packages if each.get("vulns")]
    if skipped:
        print(f"THE AUDIT WAS NOT DONE for {len(skipped)} of {len(packages)} packages, for which there is no data:")
        print(*skipped)
    print(f"{len(packages) - len(skipped)} packages audited, {len(vulnerable)} with known vulnerabilities")
    if vulnerable:
        print(json.dumps(vulnerable, indent=1))
    return int(bool(vulnerable))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
