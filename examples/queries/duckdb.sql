-- Rows of evaluations (Parquet of GET /v1/evaluations/{id}/content), read where they lie:
--   duckdb -c ".read examples/queries/duckdb.sql"     with the files in rows/
-- Of each group: rows, and how many are right by each variant; the groups that differ most first.
SELECT
    variant,
    "group",
    count(*) AS row_count,
    round(100 * avg(CAST(correct AS INTEGER)), 1) AS right_percent,
    round(sum(cost_usd), 6) AS dollars
FROM read_parquet('rows/*.parquet')
WHERE outcome = 'ok'
GROUP BY variant, "group"
ORDER BY row_count DESC, "group", variant;
