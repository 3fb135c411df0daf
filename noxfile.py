"""Runs that need an environment of their own: ``nox --list`` names them.

What follows ``--`` goes to the program: ``nox -s tests-3.12 -- tests/archive -k search``. ``.ci/run`` runs the sessions
that must pass before a change is merged.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox
from packaging.requirements import Requirement

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
PACKAGE = ".[all]"
PROJECT = nox.project.load_toml("pyproject.toml")
NEEDED_FROM_THE_CHECKOUT = ["README.md", "LICENSE", "pyproject.toml", "pytest_convai_async.py", "convai_async"]

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False  # `tests` runs on the Pythons that are there
nox.options.sessions = ["lint", "types", "docs", "tests"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on each Python that is there."""
    session.install("-e", PACKAGE, *group("test"), *group("recipes"))
    session.run("pytest", "-n", "auto", "--dist", "worksteal", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the long tests: processes that are killed, servers that crash, power failures at each step."""
    session.install("-e", PACKAGE, *group("test"))
    arguments = session.posargs or ["-n", "auto", "--dist", "worksteal"]
    session.run("pytest", "-m", "slow", *arguments, env={"LEAK_REQUESTS": "50000"})


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest version that pyproject.toml allows of every package.

    The tests of robustness take half of the time and depend less on the versions than the others: they are left out.
    """
    constraints = Path(session.create_tmp(), "lowest.txt")
    versions = lowest_versions()
    constraints.write_text("\n".join(versions) + "\n")
    package = ".[browse,cli,cloud,dlt,metrics,parquet,postgres,report,uvloop,zstd]"
    ignored = ["--ignore", "tests/mcp", "--ignore", "tests/robustness"]
    session.install("-e", package, *group("test"), "--constraint", str(constraints))
    session.run("pytest", "-n", "auto", "--dist", "worksteal", *ignored, *session.posargs)
    session.install(*(version for version in versions if version.startswith("mcp==")))  # needs a newer anyio
    session.run("pytest", "tests/mcp")


@nox.session
@nox.parametrize("engine", list(nox.project.dependency_groups(PROJECT, "engines")))
def engines(session: nox.Session, engine: str) -> None:
    """Run the documentation's recipes for the workflow engines that need an environment of their own."""
    used = {"hypothesis", "pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist"}
    session.install("-e", ".", engine, *(line for line in group("test") if Requirement(line).name in used))
    session.run("pytest", "tests/docs/test_engine_examples.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types: mypy everywhere, pyright what a user's editor shows, and both the documentation's examples."""
    session.install("-e", PACKAGE, *group("dev"))
    session.run("mypy")
    session.run("pyright", "--pythonpath", shutil.which("python", path=session.bin) or "python")
    session.run("pytest", "-m", "types", "tests/docs")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    session.install("-e", ".[cli]", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities in the packages that users get."""
    session.install("--upgrade", "pip", "pip-audit")
    session.run("python", ".ci/audit.py", PACKAGE)


@nox.session(venv_backend="none")
def readme(session: nox.Session) -> None:
    """Run the README's test command, which makes ``.venv`` and runs the tests in it, and measure their coverage."""
    # coverage starts in every Python process of an environment that contains it.
    settings = {
        "COVERAGE_PROCESS_START": str(Path("pyproject.toml").absolute()),
        "COVERAGE_FILE": str(Path(".coverage").absolute()),
    }
    command = command_from_readme("the test command")
    session.run("bash", "-euo", "pipefail", "-c", command, env=settings, external=True)
    session.run(".venv/bin/coverage", "combine", "--quiet", external=True)
    session.run(".venv/bin/coverage", "report", external=True)


@nox.session(venv_backend="none")
def newcomer(session: nox.Session) -> None:
    """Run the README's sandbox command in a fresh folder, as somebody would who sees the project for the first time."""
    fresh = Path(session.create_tmp(), "newcomer").absolute()
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name in NEEDED_FROM_THE_CHECKOUT:
        session.run("cp", "-R", name, str(fresh), external=True)
    command = command_from_readme("the sandbox command")
    with session.chdir(fresh):
        session.run("bash", "-euo", "pipefail", "-c", command, external=True)


@nox.session(venv_backend="none")
def benchmarks(session: nox.Session) -> None:
    """Measure speed and memory beside other libraries, in an environment that is made for it."""
    session.run("python3", "-m", "benchmarks", *session.posargs, external=True)


@nox.session
def mutation(session: nox.Session) -> None:
    """Make mistakes in the package on purpose, and list those that no test notices."""
    session.install("-e", PACKAGE, *group("test"))
    session.run("python", "tests/mutation/run.py", *session.posargs)


def group(name: str) -> list[str]:
    """Return the packages of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


def lowest_versions() -> list[str]:
    """Return a pin of each package that users get, to the lowest version that is allowed."""
    project = PROJECT["project"]
    lines = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    requirements = [Requirement(line) for line in lines]
    return [
        f"{each.name}=={bound.version}" for each in requirements for bound in each.specifier if bound.operator == ">="
    ]


def command_from_readme(name: str) -> str:
    """Return the shell block of README.md that stands after the comment of this name."""
    _, comment, after = Path("README.md").read_text().partition(f"<!-- {name} -->\n```bash\n")
    command, end, _ = after.partition("\n```\n")
    if not comment or not end:
        raise ValueError(f"README.md has no block {name!r}")
    return command
