"""The Python and the tables of the page on several machines are right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from documentation import DOCS, EXAMPLES
from worker_database import list_jobs

from convai_async.harvest import Workspace
from convai_async.workers import ScheduledWorkspace, create_blueprint, prepare_database

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["postgres_fixtures"]

PAGE = (DOCS / "distributed.md").read_text()


def find_rows(heading: str) -> list[str]:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([\w:]+)` \|", section, re.MULTILINE)


def test_tables_have_every_field_and_every_task() -> None:
    fields = set(ScheduledWorkspace.__struct_fields__) - set(Workspace.__struct_fields__)
    assert find_rows("Workspaces") == ["archive", "schedule", "paused"]
    assert fields == {"schedule", "paused"}
    tasks = create_blueprint("postgresql://localhost/db").tasks
    assert set(find_rows("The queue")) == {f"convai:{name}" for name in tasks}


async def test_documented_application_queues_a_harvest(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await prepare_database(postgres_url)
    code = EXAMPLES["distributed"].source.replace('"postgresql://convai@db.example.com/convai"', "URL")
    namespace = {"URL": postgres_url}
    exec(compile(code, "distributed.md", "exec"), namespace)
    await namespace["harvest_now"]()  # type: ignore[operator]
    assert list_jobs(postgres_url) == [({"name": "acme", "attempt": 0}, "todo", 0)]
