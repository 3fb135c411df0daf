"""Changes to the schema since the first version that PostgreSQL had."""

# Version 6 had another hash of the key: the next harvest binds each archive again, to the key of its conversations.
_FROM_6 = """
UPDATE convai.archive SET key_salt = NULL, key_fingerprint = NULL;
COMMENT ON COLUMN convai.archive.key_fingerprint IS 'Salted hash of the API key; null until the workspace is known.';
CREATE TABLE convai.deleted_ids (
    workspace text COLLATE "C" NOT NULL DEFAULT current_setting('convai.workspace'),
    id_sha256 text COLLATE "C",
    deleted_unix_secs bigint NOT NULL,
    pruned bigint NOT NULL,
    PRIMARY KEY (workspace, id_sha256)
);
COMMENT ON TABLE convai.deleted_ids IS
    'One row for each conversation that was deleted from the archive, so that nothing stores it again.';
COMMENT ON COLUMN convai.deleted_ids.id_sha256 IS 'The SHA-256 of its id, in hexadecimal.';
COMMENT ON COLUMN convai.deleted_ids.deleted_unix_secs IS 'When it was deleted.';
COMMENT ON COLUMN convai.deleted_ids.pruned IS
    '1 if it was pruned; a harvest stores it again if the service has it again. Else 0.';
"""

MIGRATIONS = {6: _FROM_6}
"""For each older version, the SQL that makes the next one. Views need none: they are made again."""
