"""PostgreSQL's planner statistics, which hold common values of a column, kept free of texts.

`pg_statistic` keeps what rows held after they were deleted, for as long as their table is empty
(ANALYZE, https://www.postgresql.org/docs/current/sql-analyze.html). No query searches by a long
text, so none of them needs its statistics.
"""

from sqlalchemy import Connection, text

# Of one more than 64 characters: ids, names of states and hashes are shorter. An attribute's
# length is four above that of its type.
_TEXTS = text("""
    SELECT quote_ident(c.relname), quote_ident(a.attname), format_type(a.atttypid, a.atttypmod)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::text::regnamespace
      AND a.attnum > 0 AND NOT a.attisdropped AND COALESCE(a.attstattarget, -1) <> 0
      AND (a.atttypid IN ('text'::regtype, 'json'::regtype, 'jsonb'::regtype)
        OR (a.atttypid = 'varchar'::regtype AND (a.atttypmod = -1 OR a.atttypmod > 68)))
    ORDER BY 1, 2
""")


def keep_no_texts(connection: Connection) -> None:
    """Have none collected of columns that hold texts, and drop what has been collected of them.

    A column's statistics go with a change of its type, also of one to itself, which rewrites
    nothing.
    """
    if connection.dialect.name != "postgresql":
        return
    for table, column, kind in connection.execute(_TEXTS).all():
        connection.exec_driver_sql(
            f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind}, "
            f"ALTER COLUMN {column} SET STATISTICS 0"
        )
