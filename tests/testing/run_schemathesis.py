"""Run schemathesis against the fake service, which takes a minute and is not part of the suite::

    pip install schemathesis
    python tests/testing/run_schemathesis.py --max-examples 100

Further arguments are passed to ``schemathesis run``. The OpenAPI document is amended by rules of the service's
documentation that it lacks: errors for a wrong key and a wrong id, bounds, formats of texts.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from convai_async.testing import FakeConvAI

CONTRACT = Path(__file__).parents[1] / "data/openapi.json"

PARAMETERS: dict[str, dict[str, Any]] = {
    "cursor": {"const": ""},  # others come from the service
    "page_size": {"minimum": 1, "maximum": 100},
    "rating_min": {"minimum": 1, "maximum": 5},
    "rating_max": {"minimum": 1, "maximum": 5},
    "call_duration_min_secs": {"minimum": 0},
    "call_duration_max_secs": {"minimum": 0},
    "evaluation_params": {"items": {"type": "string", "pattern": "^[a-z]+:(success|failure|unknown)$"}},
    "data_collection_params": {"items": {"type": "string", "pattern": "^[a-z]+:(eq|neq|in):[a-z]*$"}},
}


def amended(node: Any) -> Any:
    """Return the contract with ``anyOf`` for ``oneOf``: no integer fits one of number and integer."""
    if isinstance(node, dict):
        return {("anyOf" if name == "oneOf" else name): amended(value) for name, value in node.items()}
    return [amended(value) for value in node] if isinstance(node, list) else node


def contract() -> dict[str, Any]:
    document: dict[str, Any] = amended(json.loads(CONTRACT.read_text()))
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"] |= {"401": {"description": "Wrong key"}, "404": {"description": "Not found"}}
            for parameter in operation.get("parameters", ()):
                parameter["schema"] |= PARAMETERS.get(parameter["name"], {})
                if parameter["required"]:
                    parameter["schema"]["minLength"] = 1
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
    document["components"]["schemas"]["ConversationFeedbackRequestModel"]["additionalProperties"] = False
    return document


async def main(arguments: list[str]) -> int:
    async with FakeConvAI(conversations=60, quirks=False) as fake:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "contract.json")
            path.write_text(json.dumps(contract()))
            command = [
                str(Path(sys.executable).with_name("schemathesis")),
                "run",
                str(path),
                "--url",
                fake.url,
                "-H",
                f"xi-api-key: {fake.api_key}",
            ]
            process = await asyncio.create_subprocess_exec(*command, *arguments, cwd=folder)
            return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
