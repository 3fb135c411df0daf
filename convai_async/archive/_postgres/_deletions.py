"""The log of deletions: when, in which workspace, how many conversations, by which role and program.

It has no ids, since it is kept after the data is erased. A trigger writes it, so that deletions with SQL are logged as
well. The trigger has the rights of the schema's owner: other roles can neither add nor change rows.
"""

DELETIONS = """\
CREATE TABLE convai.deletions (
    workspace text COLLATE "C" NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    conversations bigint NOT NULL,
    role text NOT NULL DEFAULT session_user,
    program text NOT NULL DEFAULT current_setting('application_name'),
    PRIMARY KEY (deleted_at, workspace)
);
COMMENT ON TABLE convai.deletions IS 'One row for each transaction that deleted conversations, without their ids.';
CREATE FUNCTION convai.note_deletions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO convai.deletions (workspace, conversations)
    SELECT workspace, count(*) FROM deleted GROUP BY workspace
    ON CONFLICT (deleted_at, workspace)
    DO UPDATE SET conversations = deletions.conversations + excluded.conversations;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_deletions AFTER DELETE ON convai.conversations
REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION convai.note_deletions();"""
