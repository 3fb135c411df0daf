"""The functions of SQLite that an archive's SQL uses, for PostgreSQL."""

FUNCTIONS = r"""
CREATE FUNCTION convai.datetime(secs bigint, unit text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN secs BETWEEN -62135596800 AND 253402300799
        THEN to_char(to_timestamp(secs) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END
$$;
CREATE FUNCTION convai.date(secs bigint, unit text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN secs BETWEEN -62135596800 AND 253402300799
        THEN to_char(to_timestamp(secs) AT TIME ZONE 'UTC', 'YYYY-MM-DD') END
$$;
CREATE FUNCTION convai.strftime(format text, moment text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT extract(epoch FROM moment::timestamp)::bigint::text
$$;
CREATE FUNCTION convai.strftime(format text, secs bigint, unit text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_char(to_timestamp(secs) AT TIME ZONE 'UTC', CASE format WHEN '%Y' THEN 'YYYY' WHEN '%m' THEN 'MM' END)
$$;
CREATE FUNCTION convai.round(value double precision, digits integer) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN abs(value) < 'Infinity' THEN round(value::numeric, digits)::double precision ELSE value END
$$;
CREATE FUNCTION convai.instr(data bytea, part bytea) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT position(part IN data)
$$;
CREATE FUNCTION convai.json_each(document text, OUT key text, OUT value text, OUT type text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT key, CASE json_typeof(value) WHEN 'null' THEN NULL ELSE value #>> '{}' END, json_typeof(value)
    FROM json_each(CASE WHEN json_typeof(document::json) = 'object' THEN document::json END)
    UNION ALL
    SELECT (number - 1)::text, CASE json_typeof(value) WHEN 'null' THEN NULL ELSE value #>> '{}' END,
        json_typeof(value)
    FROM json_array_elements(CASE WHEN json_typeof(document::json) = 'array' THEN document::json END)
        WITH ORDINALITY AS elements (value, number)
$$;
CREATE FUNCTION convai.json_extract(document text, path text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT document::json #>> string_to_array(substr(path, 3), '.')
$$;
CREATE FUNCTION convai.append_text(state text, value text, separator text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN state IS NULL THEN value WHEN value IS NULL THEN state ELSE state || separator || value END
$$;
CREATE AGGREGATE convai.group_concat(text, text) (SFUNC = convai.append_text, STYPE = text);
"""
"""Each does what the archive's SQL needs of it, and not more: the second argument of ``datetime`` and ``date`` is
``'unixepoch'``, the format of ``strftime`` is ``'%s'`` for a text, and ``'%Y'`` or ``'%m'`` for seconds, and the
path of ``json_extract`` has only keys."""
