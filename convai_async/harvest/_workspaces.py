"""The workspaces to harvest, and the TOML file that lists them."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from convai_async._configuration import Region, resolve_base_url, validate_share
from convai_async._support.durations import parse_duration
from convai_async._support.text import Secret, to_short_line
from convai_async._support.validate import validate_id
from convai_async.archive._location import PostgresUrl, hide_password, is_postgres_url, parse_location
from convai_async.archive._recordings import FOLDER
from convai_async.archive._recordings._storage import parse_recordings
from convai_async.errors import ConfigurationError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convai_async.archive import Location

_KEY_REFERENCE = re.compile(r"env:(?!sk_)[A-Za-z_][A-Za-z0-9_]*|file:.+")
_VALIDATION_ERROR = re.compile(r"(?P<problem>.*) - at `\$\.(?P<field>\w+).*`", re.DOTALL)
_KEY_ADVICE = "must be a reference, env:NAME or file:PATH, and never the key itself"


class Workspace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workspace to harvest: its key, its archive and its settings.

    Attributes:
        name: The name in reports and metrics.
        key: Where the API key is: ``"env:ACME_KEY"`` for an environment variable, or ``"file:/run/secrets/acme"`` for a
            file. It is read at the beginning of each harvest.
        archive: The file of the archive, or the URL of a PostgreSQL database.
        region: The region of the workspace, as for `ConvAIClient`.
        base_url: The address of the service, instead of a region.
        agents: The ids of the agents whose conversations are fetched; empty (default) for all agents.
        lookback: The part of the list to read again, as for `harvest`; 3 days by default.
        audio: Whether to save recordings as well; False by default.
        recordings: Where to save them: a folder, or a URL such as ``"s3://bucket/acme"``, as for `harvest`. By default
            the folder ``audio`` beside the archive.
        share: The share of the service's limit to use, as for `ConvAIClient`; 1 by default.
    """

    name: str
    key: str
    archive: str
    region: Region = "global"
    base_url: str | None = None
    agents: tuple[str, ...] = ()
    lookback: timedelta = timedelta(days=3)
    audio: bool = False
    recordings: str | None = None
    share: float = 1.0

    @property
    def location(self) -> Location:
        """Where the archive is; in a database, the workspace has this name unless the URL has another."""
        return parse_location(self.archive, self.name)

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the fields for `repr`, without a password."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return list({**fields, "archive": hide_password(self.archive)}.items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


AnyWorkspace = TypeVar("AnyWorkspace", bound=Workspace)


def read_workspaces(path: str | os.PathLike[str]) -> list[Workspace]:
    """Read the workspaces from a TOML file, which has a table ``[[workspaces]]`` for each of them.

    The fields are those of `Workspace`; ``lookback`` is a text such as ``"7d"`` or ``"12h"``. Relative paths start at
    the folder of the file.

    Args:
        path: The file.

    Raises:
        ConfigurationError: The file cannot be read, or a field is unknown, missing or invalid. The message names the
            file, the workspace and the field.
    """
    workspaces = load_workspaces(path, Workspace)
    try:
        validate_workspaces(workspaces)
    except ConfigurationError as error:
        raise ConfigurationError(f"{str(Path(path))!r}: {error}") from None
    return workspaces


def load_workspaces(path: str | os.PathLike[str], struct: type[AnyWorkspace]) -> list[AnyWorkspace]:
    """Read workspaces from a TOML file, without the checks of `validate_workspaces`.

    Args:
        path: The file.
        struct: `Workspace`, or a class with more fields.

    Raises:
        ConfigurationError: The file cannot be read, or a field is unknown, missing or of the wrong type.
    """
    file = Path(path)
    try:
        tables = _load_tables(file)
        folder = file.absolute().parent
        return [_build_workspace(table, number, folder, struct) for number, table in enumerate(tables, 1)]
    except ConfigurationError as error:
        raise ConfigurationError(f"{str(file)!r}: {error}") from None


def validate_workspaces(workspaces: Sequence[Workspace]) -> None:
    """Check workspaces, and that they have different names and archives.

    Raises:
        ConfigurationError: A field is invalid. The message names the workspace and the field.
    """
    names: set[str] = set()
    archives: dict[str, str] = {}
    recordings: dict[str, str] = {}
    keys: dict[str, Workspace] = {}
    for workspace in workspaces:
        try:
            _validate(workspace)
        except InvalidArgumentError as error:
            raise ConfigurationError(f"workspace {workspace.name!r}: {error}") from None
        if workspace.name in names:
            raise _build_error(workspace.name, "name", "two workspaces have this name: choose another for one of them")
        names.add(workspace.name)
        location = workspace.location
        archive = str(location) if isinstance(location, PostgresUrl) else os.path.realpath(location)
        if (other := archives.setdefault(archive, workspace.name)) != workspace.name:
            raise _build_error(
                workspace.name,
                "archive",
                f"workspace {other!r} has the same archive: choose another for one of them",
            )
        if (first := keys.setdefault(workspace.key, workspace)).share != workspace.share:
            raise _build_error(
                workspace.name, "share", f"workspace {first.name!r} has the same key: set the same share for both"
            )
        if not workspace.audio:
            continue
        if workspace.recordings is not None:
            place = str(parse_recordings(workspace.recordings))
        elif isinstance(location, PostgresUrl):
            raise _build_error(workspace.name, "recordings", "is required with audio for an archive in a database")
        else:
            place = str(Path(archive).parent / FOLDER)
        if (other := recordings.setdefault(place, workspace.name)) != workspace.name:
            raise _build_error(
                workspace.name,
                "audio" if workspace.recordings is None else "recordings",
                f"the recordings of workspace {other!r} are in the same place: choose another for one of them",
            )


def read_key(workspace: Workspace) -> str:
    """Return the API key that a workspace refers to.

    Raises:
        ConfigurationError: The environment variable is not set, or the file cannot be read.
    """
    kind, _, where = workspace.key.partition(":")
    if kind == "env":
        key = os.environ.get(where, "")
        problem = f"the environment variable {where} is not set"
    else:
        try:
            key = Path(where).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigurationError(f"key: {where!r} cannot be read: {reason}") from None
        problem = f"{where!r} is empty"
    if not key:
        raise ConfigurationError(f"key: {problem}")
    return Secret(key)


def _load_tables(file: Path) -> list[dict[str, Any]]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"it cannot be read: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise ConfigurationError(f"it is not a TOML file: {to_short_line(str(error))}") from None
    for name in content:
        if name != "workspaces":
            raise ConfigurationError(f"unknown name {name!r}: the file has tables [[workspaces]] only")
    tables = content.get("workspaces")
    if not (isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables)):
        raise ConfigurationError("there is no table [[workspaces]]: add one for each workspace")
    return tables


def _build_workspace(table: dict[str, Any], number: int, folder: Path, struct: type[AnyWorkspace]) -> AnyWorkspace:
    name = table["name"] if isinstance(table.get("name"), str) else f"number {number}"
    fields = struct.__struct_fields__
    for field in table:
        if field not in fields:
            close = get_close_matches(field, fields, 1)
            advice = f"did you mean {close[0]!r}?" if close else f"the fields are {', '.join(fields)}"
            raise _build_error(name, field, f"there is no such field: {advice}")
    table = dict(table)
    if "lookback" in table:
        table["lookback"] = _parse_lookback(name, table["lookback"])
    try:
        workspace = msgspec.convert(table, struct)
    except msgspec.ValidationError as error:
        found = _VALIDATION_ERROR.fullmatch(str(error))
        if found is None:  # a field is missing
            raise ConfigurationError(f"workspace {name!r}: {error}") from None
        raise _build_error(name, found["field"], found["problem"]) from None
    kind, colon, where = workspace.key.partition(":")
    key = f"file:{folder / where}" if kind == "file" and where else kind + colon + where
    archive = workspace.archive
    if archive and not is_postgres_url(archive):
        archive = str(folder / archive)
    recordings = workspace.recordings
    if recordings and "://" not in recordings:
        recordings = str(folder / recordings)
    return msgspec.structs.replace(workspace, archive=archive, key=key, recordings=recordings)


def _parse_lookback(name: str, value: object) -> timedelta:
    try:
        lookback = parse_duration(value) if isinstance(value, str) else None
    except OverflowError:
        lookback = None
    if lookback is None:
        raise _build_error(name, "lookback", 'must be a number and s, m, h, d or w, such as "7d"')
    return lookback


def _validate(workspace: Workspace) -> None:
    for field in ("name", "archive"):
        text = getattr(workspace, field)
        if not (text.strip() and text.isprintable()):
            raise InvalidArgumentError(field, "must be text in one line")
    parse_location(workspace.archive, workspace.name)
    if not _KEY_REFERENCE.fullmatch(workspace.key):
        raise InvalidArgumentError("key", _KEY_ADVICE)
    try:
        resolve_base_url(workspace.region, workspace.base_url)
    except ConfigurationError as error:
        field = "region" if workspace.base_url is None else "base_url"
        raise InvalidArgumentError(field, str(error)) from None
    for agent_id in workspace.agents:
        validate_id("agents", agent_id)
    if workspace.recordings is not None:
        parse_recordings(workspace.recordings)
    validate_share(workspace.share)


def _build_error(workspace: str, field: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"workspace {workspace!r}: {field}: {problem}")
