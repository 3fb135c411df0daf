"""Archives in PostgreSQL; needs the extra ``postgres``.

Schema ``convai`` has the tables and views, with ``workspace`` as first column. Schema ``convai_workspace`` has the same
names for one workspace: views that filter by the setting ``convai.workspace`` of the session. So the SQL of an archive
is the same for SQLite and PostgreSQL.
"""

from convai_async.errors import ConfigurationError

try:
    import psycopg  # noqa: F401 - to say what is missing
except ModuleNotFoundError as error:
    raise ConfigurationError("archives in PostgreSQL need an extra: pip install 'convai-async[postgres]'") from error

from convai_async.archive._postgres._database import upgrade
from convai_async.archive._postgres._reader import PostgresReader
from convai_async.archive._postgres._store import PostgresStore

__all__ = ["PostgresReader", "PostgresStore", "upgrade"]
