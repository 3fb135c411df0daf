"""Gives events the quirks of the real service, as the sources of its protocol report them."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]


class Quirks:
    """Changes the events of a conversation: ids as strings, fields that are null, missing or of another type.

    They are the same in each conversation, and clients of the real service must cope with all of them.
    """

    def __init__(self) -> None:
        self._pings = 0
        self._chunks = 0

    def add(self, event: JSON) -> JSON:
        """Return the event with quirks."""
        match event:
            case {"type": "ping", "ping_event": ping}:
                self._pings += 1
                changed = {"event_id": ping["event_id"]} if self._pings == 1 else ping
            case {"type": "audio", "audio_event": audio}:
                self._chunks += 1
                changed = audio | {"alignment": self._change_alignment(audio["alignment"])}
            case {"type": "agent_chat_response_part", "text_response_part": part}:
                changed = part | {"event_id": str(part["event_id"])}
            case {"type": "agent_response", "agent_response_event": response}:
                changed = response | {"agent_response": f"{response['agent_response']} ", "response_id": "resp_1"}
            case {"type": "user_transcript", "user_transcription_event": transcript}:
                changed = {"user_transcript": transcript["user_transcript"]}
            case {"type": "client_tool_call", "client_tool_call": {"expects_response": True, **call}}:
                changed = call
            case _:
                return event
        return event | {next(name for name in event if name != "type"): changed}

    def _change_alignment(self, alignment: JSON) -> JSON | None:
        if self._chunks % 3 == 0:
            return None
        starts = [float(start) for start in alignment["char_start_times_ms"]]
        return alignment | {"char_start_times_ms": starts} if self._chunks % 3 == 1 else alignment
