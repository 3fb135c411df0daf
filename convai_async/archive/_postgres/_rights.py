"""Keep the rights that roles have on views when an upgrade creates the views again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from convai_async.archive._postgres._connection import PostgresConnection


class Right(NamedTuple):
    """A right of a role; all names are quoted as SQL needs it.

    Attributes:
        target: The schema, as ``SCHEMA convai_workspace``, or the view, as ``convai.calls``.
        column: The column, or an empty text for all of it.
        privilege: The privilege, such as ``SELECT``.
        role: The role, or ``PUBLIC``.
        option: An empty text, or ``WITH GRANT OPTION``.
    """

    target: str
    column: str
    privilege: str
    role: str
    option: str


_READ = """\
WITH views AS (
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relowner AS owner, c.relacl AS acl
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('convai', 'convai_workspace') AND c.relkind = 'v'
), lists AS (
    SELECT format('SCHEMA %I', nspname) AS target, '' AS column, nspowner AS owner, nspacl AS acl
    FROM pg_namespace WHERE nspname = 'convai_workspace'
    UNION ALL SELECT name, '', owner, acl FROM views
    UNION ALL SELECT name, quote_ident(a.attname), owner, a.attacl
    FROM views JOIN pg_attribute AS a ON a.attrelid = views.oid
)
SELECT target, "column", privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
    CASE WHEN is_grantable THEN 'WITH GRANT OPTION' ELSE '' END
FROM lists, aclexplode(acl) WHERE grantee <> owner"""

_EXISTING = """\
SELECT format('%I.%I', n.nspname, c.relname), quote_ident(a.attname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE n.nspname IN ('convai', 'convai_workspace') AND c.relkind = 'v'"""


def read_rights(connection: PostgresConnection) -> list[Right]:
    """Return the rights on the views and on their schema, without those of the owner."""
    return [Right(*row) for row in connection.raw.execute(_READ)]


def grant_rights(connection: PostgresConnection, rights: list[Right]) -> None:
    """Grant rights on the views and columns that exist."""
    existing = set(connection.raw.execute(_EXISTING))
    views = {view for view, _ in existing}
    for right in rights:
        if right.column:
            exists = (right.target, right.column) in existing
        else:
            exists = right.target in views or right.target.startswith("SCHEMA ")
        if exists:
            columns = f" ({right.column})" if right.column else ""
            connection.run_script(f"GRANT {right.privilege}{columns} ON {right.target} TO {right.role} {right.option}")
