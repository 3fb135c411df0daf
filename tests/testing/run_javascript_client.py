"""Let the official JavaScript client talk to the fake service under Node 20 or newer; not part of the suite::

mkdir client && npm install --prefix client @elevenlabs/client@1.25.0
python tests/testing/run_javascript_client.py client
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from convai_async.testing.live import Turn

SCRIPT = """
import { Conversation } from "@elevenlabs/client";
const [origin, question] = process.argv.slice(1);
const said = [];
const conversation = await Conversation.startSession({
  agentId: "agent_1", origin, connectionType: "websocket", textOnly: true,
  dynamicVariables: { name: "Ann" },
  clientTools: { lookup_order: async ({ number }) => `order ${number}` },
  onMessage: ({ message }) => { said.push(message); if (message.includes("order 7")) conversation.endSession(); },
  onDisconnect: ({ reason }) => {
    console.log(JSON.stringify({ said, reason, id: conversation.getId() }));
    process.exit(0);
  },
});
conversation.sendUserMessage(question);
"""


async def reply(turn: Turn) -> str:
    order = await turn.call_tool("lookup_order", {"number": 7})
    return f"{turn.text} It is {order.result}."


async def main(folder: Path) -> None:
    async with FakeConvAI(conversations=0, quirks=False) as fake:
        fake.live.add_agent("agent_1", reply=reply, first_message="Hello {{name}}!")
        command = ["node", "--experimental-websocket", "--input-type=module", "--eval", SCRIPT]
        process = await asyncio.create_subprocess_exec(
            *command, fake.url.replace("http", "ws"), "Where is it?", cwd=folder, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
        result = json.loads(out)
        assert result["said"][-1] == "Where is it? It is order 7.", result
        assert result["reason"] == "user", result
        held = fake.live[result["id"]]
        assert held.initiation["source_info"]["source"] == "js_sdk"
        print(f"{held.initiation['source_info']} held a conversation: {result['said']}")


asyncio.run(main(Path(sys.argv[1])))
