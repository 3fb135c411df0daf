"""Generates tool calls and results of every kind in the OpenAPI schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

JSON = dict[str, Any]

SYSTEM_RESULTS: tuple[JSON, ...] = (
    {"result_type": "end_call_success", "status": "success", "reason": "The caller said goodbye.", "message": None},
    {"result_type": "language_detection_success", "status": "success", "reason": None, "language": "de"},
    {
        "result_type": "transfer_to_agent_success",
        "status": "success",
        "from_agent": "agent_front_desk",
        "to_agent": "agent_billing",
        "condition": "The caller asks about an invoice.",
        "delay_ms": 250,
        "transfer_message": "I am putting you through.",
        "enable_transferred_agent_first_message": False,
    },
    {
        "result_type": "transfer_to_agent_error",
        "status": "error",
        "from_agent": "agent_front_desk",
        "error": "The other agent is not available.",
    },
    {
        "result_type": "transfer_to_number_twilio_success",
        "status": "success",
        "transfer_number": "+15550100",
        "reason": "The caller wants a person.",
        "client_message": "Please hold.",
        "agent_message": "A caller about a refund.",
        "conference_name": "conf_1",
        "note": None,
    },
    {
        "result_type": "transfer_to_number_sip_success",
        "status": "success",
        "transfer_number": "+15550101",
        "reason": None,
        "note": "warm",
    },
    {"result_type": "transfer_to_number_error", "status": "error", "error": "busy", "details": None},
    {"result_type": "skip_turn_success", "status": "success", "reason": "The caller is looking for a paper."},
    {"result_type": "play_dtmf_success", "status": "success", "dtmf_tones": "1w2#", "reason": None},
    {"result_type": "play_dtmf_error", "status": "error", "error": "no phone line", "details": None},
    {
        "result_type": "voicemail_detection_success",
        "status": "success",
        "voicemail_message": "Please call us back.",
        "reason": "A beep.",
    },
    {"result_type": "testing_tool_result", "status": "success", "reason": "Skipped in a test."},
)


def build_result(request_id: str, tool_name: str, value: Any, seconds: float) -> JSON:
    """Build the result of a tool without its type."""
    return {
        "request_id": request_id,
        "tool_name": tool_name,
        "result_value": json.dumps(value, ensure_ascii=False),
        "is_error": False,
        "is_blocked": False,
        "tool_has_been_called": True,
        "tool_latency_secs": seconds,
        "error_type": None,
        "raw_error_message": None,
        "dynamic_variable_updates": [],
    }


def _build_webhook_details(tool_name: str) -> JSON:
    return {
        "type": "webhook",
        "method": "POST",
        "url": f"https://tools.example/{tool_name}",
        "headers": {"content-type": "application/json"},
        "path_params": {},
        "query_params": {"dry": "false"},
        "body": '{"order": "73900"}',
    }


def build_webhook_tool(request_id: str, tool_name: str, rng: random.Random) -> tuple[JSON, JSON, JSON | None]:
    """Build the type of call, the result, and the details of the call of a webhook tool."""
    result = build_result(
        request_id, tool_name, {"ok": True, "reference": f"R{rng.randrange(10**6)}"}, _draw_latency(rng)
    )
    result["dynamic_variable_updates"] = [
        {
            "variable_name": "reference",
            "old_value": None,
            "new_value": "R1",
            "updated_at": 1_770_000_000.25,
            "tool_name": tool_name,
            "tool_request_id": request_id,
        }
    ]
    return {"type": "webhook"}, result | {"type": "webhook"}, _build_webhook_details(tool_name)


def build_client_tool(request_id: str, tool_name: str, rng: random.Random) -> tuple[JSON, JSON, JSON | None]:
    """Build the same for a tool that the client runs."""
    details = {"type": "client", "parameters": '{"page": "orders"}'}
    return (
        {"type": "client"},
        build_result(request_id, tool_name, "shown", _draw_latency(rng)) | {"type": "client"},
        details,
    )


def build_mcp_tool(request_id: str, tool_name: str, rng: random.Random) -> tuple[JSON, JSON, JSON | None]:
    """Build the same for a tool of an MCP server."""
    details = {
        "type": "mcp",
        "mcp_server_id": "mcp_1",
        "mcp_server_name": "warehouse",
        "integration_type": "mcp_server",
        "parameters": {"sku": "TEA-1"},
        "approval_policy": "auto_approve_all",
        "requires_approval": False,
        "mcp_tool_name": tool_name,
        "mcp_tool_description": "Looks into the warehouse.",
    }
    return (
        {"type": "mcp"},
        build_result(request_id, tool_name, {"stock": 4}, _draw_latency(rng)) | {"type": "mcp"},
        details,
    )


def build_integration_tool(request_id: str, tool_name: str, rng: random.Random) -> tuple[JSON, JSON, JSON | None]:
    """Build the same for a tool of an integration."""
    ids = {"integration_id": "int_1", "credential_id": "cred_1", "integration_connection_id": "conn_1"}
    details = {"type": "api_integration_webhook", **ids, "webhook_details": _build_webhook_details(tool_name)}
    result = build_result(request_id, tool_name, {"event": "created"}, _draw_latency(rng))
    result |= {"error_type": "", "raw_error_message": ""}
    return {"type": "api_integration_webhook"}, result | {"type": "api_integration_webhook", **ids}, details


def build_untyped_tool(request_id: str, tool_name: str, rng: random.Random) -> tuple[JSON, JSON, JSON | None]:
    """Build the same for a tool whose type is null."""
    result = build_result(request_id, tool_name, "no answer", _draw_latency(rng)) | {"is_error": True, "type": None}
    return {"type": None}, result, None


def build_system_tool(request_id: str, _tool_name: str, rng: random.Random) -> tuple[JSON, JSON, JSON | None]:
    """Build the same for a system tool, with a random result."""
    result = rng.choice(SYSTEM_RESULTS)
    name = str(result["result_type"]).removesuffix("_success").removesuffix("_error")
    return {"type": "system", "tool_name": name}, build_system_result(request_id, name, result), None


def build_system_result(request_id: str, tool_name: str, result: JSON) -> JSON:
    """Build the result of a system tool."""
    failed = result.get("status") == "error"
    return build_result(request_id, tool_name, result, 0.0) | {"type": "system", "result": result, "is_error": failed}


def build_workflow_tool(request_id: str, tool_name: str, rng: random.Random) -> tuple[JSON, JSON, JSON | None]:
    """Build the same for a workflow, whose steps contain tool calls and results of other kinds."""
    nested = [
        make(f"{request_id}_{number}", tool_name, rng)
        for number, make in enumerate((build_webhook_tool, build_integration_tool, build_untyped_tool))
    ]
    inner = build_result(f"{request_id}_inner", "inner_workflow", "", 0.4) | {
        "type": "workflow",
        "result": {"steps": [{"step_latency_secs": 0.1, "type": "max_iterations_exceeded", "max_iterations": 8}]},
    }
    steps = [
        {"step_latency_secs": 0.01, "type": "edge", "edge_id": "edge_1", "target_node_id": "node_2"},
        {
            "step_latency_secs": 1,
            "type": "nested_tools",
            "node_id": "node_2",
            "requests": [
                build_call(f"{request_id}_{number}", tool_name, kind, details)
                for number, (kind, _, details) in enumerate(nested)
            ],
            "results": [
                *(result for _, result, _ in nested),
                build_system_result(f"{request_id}_system", "skip_turn", SYSTEM_RESULTS[7]),
                inner,
            ],
            "is_successful": True,
        },
    ]
    result = build_result(request_id, tool_name, "", _draw_latency(rng)) | {
        "type": "workflow",
        "result": {"steps": steps},
    }
    return {"type": "workflow"}, result, None


def build_call(request_id: str, tool_name: str, kind: JSON, details: JSON | None) -> JSON:
    """Build a tool call."""
    return {
        "request_id": request_id,
        "tool_name": tool_name,
        "params_as_json": '{"order": "73900", "note": "für die Küche"}',
        "tool_has_been_called": True,
        "tool_details": details,
        **kind,
    }


def add_tool_id(call: JSON, result: JSON) -> None:
    """Add the tool's id to a call and its result; calls of system tools have none."""
    name = call["tool_name"]
    if call.get("type") == "system":
        call["tool_id"], result["tool_id"] = None, f"__system_{name}"
    else:
        call["tool_id"] = result["tool_id"] = f"mcp:mcp_1:{name}" if call.get("type") == "mcp" else f"tool_{name}"


def _draw_latency(rng: random.Random) -> float:
    return round(rng.uniform(0.05, 2.5), 3)


VARIANTS: tuple[Callable[[str, str, random.Random], tuple[JSON, JSON, JSON | None]], ...] = (
    build_webhook_tool,
    build_system_tool,
    build_workflow_tool,
    build_client_tool,
    build_mcp_tool,
    build_integration_tool,
    build_untyped_tool,
)
"""The kinds of tools, the most common first."""
