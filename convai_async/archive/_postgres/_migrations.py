"""Changes to the schema since the first version that PostgreSQL had."""

MIGRATIONS: dict[int, str] = {}
"""For each older version, the SQL that makes the next one. Views need none: they are made again."""
