"""The workspace that the current task works for, so that log records of several workspaces can be told apart."""

from contextvars import ContextVar

workspace_name: ContextVar[str] = ContextVar("workspace_name", default="")
