"""Where an archive is: an SQLite file, or a workspace in a PostgreSQL database."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Self, TypeAlias
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from convai_async.errors import InvalidArgumentError

ArchivePath: TypeAlias = "str | os.PathLike[str]"
"""The path of an SQLite file, or the URL of a PostgreSQL database."""

DEFAULT_WORKSPACE = "default"
"""The workspace of a URL that does not name one."""

_SCHEMES = ("postgresql://", "postgres://")
_USER_INFO = re.compile(r"(?<=//)(?P<user>[^:@/?]*)(?::[^@/?]*)?@")
_SECRET_PARAMETERS = frozenset(
    {"password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"}
)
_MOST_CHARS = 200


class PostgresUrl(msgspec.Struct, frozen=True):
    """A workspace in a PostgreSQL database.

    ``str()`` returns the URL without its password, and without its parameters except ``workspace``.

    Attributes:
        dsn: The URL for libpq, with its password.
        workspace: The name of the workspace: ``"default"`` unless the URL has the parameter ``workspace``.
    """

    dsn: str
    workspace: str

    @classmethod
    def parse(cls, url: str, workspace: str = DEFAULT_WORKSPACE) -> Self:
        """Parse a URL such as ``postgresql://user@host/database?workspace=acme``.

        Args:
            url: The URL.
            workspace: The workspace if the URL does not name one.

        Raises:
            InvalidArgumentError: The name of the workspace is empty, longer than 200 characters, or contains a NUL.
                Or the URL has an ``@`` elsewhere than before the host: libpq's error would have parts of the
                password.
        """
        if "@" in _USER_INFO.sub("", url, count=1):
            raise InvalidArgumentError(
                "archive", "the URL has an @ that is not before the host: in a user name or password, write %40 for it"
            )
        address, _, query = url.partition("?")
        workspace = dict(parse_qsl(query, keep_blank_values=True)).get("workspace", workspace)
        if not workspace or len(workspace) > _MOST_CHARS or "\0" in workspace:
            raise InvalidArgumentError("workspace", f"must have 1 to {_MOST_CHARS} characters, got {workspace!r}")
        # The others stay as they are: libpq does not read + as a space.
        rest = "&".join(each for each in query.split("&") if each and unquote(each.partition("=")[0]) != "workspace")
        return cls(f"{address}?{rest}" if rest else address, workspace)

    def __str__(self) -> str:
        address = _USER_INFO.sub(r"\g<user>@", self.dsn.partition("?")[0])
        return f"{address}?workspace={quote(self.workspace, safe='')}"

    def __repr__(self) -> str:
        return f"PostgresUrl({str(self)!r})"

    @property
    def command_argument(self) -> str:
        """The URL for a command line: with all parameters, such as the folder of a socket, but without passwords."""
        address, _, query = hide_password(self.dsn).partition("?")
        return f"{address}?{query}{'&' if query else ''}workspace={quote(self.workspace, safe='')}"


Location: TypeAlias = Path | PostgresUrl


def is_postgres_url(path: ArchivePath) -> bool:
    """Return whether a path is the URL of a PostgreSQL database."""
    return os.fspath(path).startswith(_SCHEMES)


def parse_location(path: ArchivePath | PostgresUrl, workspace: str = DEFAULT_WORKSPACE) -> Location:
    """Parse the path or URL of an archive.

    Args:
        path: The path of a file, or the URL of a database.
        workspace: The workspace if a URL does not name one.

    Raises:
        InvalidArgumentError: A URL is not valid.
    """
    if isinstance(path, PostgresUrl):
        return path
    return PostgresUrl.parse(os.fspath(path), workspace) if is_postgres_url(path) else Path(path)


def require_file(path: ArchivePath | PostgresUrl, reason: str) -> Path:
    """Return the path of an archive, and raise an error if it is in a database.

    Args:
        path: The path of a file, or the URL of a database.
        reason: Why it has to be a file.

    Raises:
        InvalidArgumentError: It is a database.
    """
    location = parse_location(path)
    if isinstance(location, PostgresUrl):
        raise InvalidArgumentError(
            "archive",
            f"{str(location)!r} is a PostgreSQL database, but {reason}."
            f" Copy it to a file: `{format_command('copy', location, 'copy.db')}`",
        )
    return location


def hide_password(url: str) -> str:
    """Return the URL of a database without its passwords; libpq can read them from PGPASSWORD or a file."""
    address, question_mark, query = url.partition("?")
    kept = "&".join(each for each in query.split("&") if unquote(each.partition("=")[0]) not in _SECRET_PARAMETERS)
    return _USER_INFO.sub(r"\g<user>@", address) + (f"?{kept}" if kept or (question_mark and not query) else "")


def format_command(*words: str | Location) -> str:
    """Return a command of convai_async that can be pasted into a shell. It contains no passwords."""
    arguments = (each.command_argument if isinstance(each, PostgresUrl) else hide_password(str(each)) for each in words)
    return shlex.join(["convai-async", *arguments])
