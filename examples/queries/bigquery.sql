-- The same rows in BigQuery, loaded once for each evaluation:
--   bq load --source_format=PARQUET tunecurve.rows rows.parquet
-- Never run on BigQuery by the tests, which have no network: they parse it in its dialect, and check
-- that the table has the columns.
-- Rows that are right with a prompt and wrong with a tuned model.
SELECT
  prompted.example_id,
  prompted.input,
  prompted.answer AS prompt_answer,
  tuned.answer AS tuned_answer,
  tuned.evaluation_id
FROM `tunecurve.rows` AS prompted
JOIN `tunecurve.rows` AS tuned
  ON prompted.example_id = tuned.example_id
WHERE prompted.variant = 'few_shot'
  AND tuned.variant = 'tuned'
  AND prompted.correct
  AND NOT tuned.correct
ORDER BY tuned.evaluation_id, prompted.example_id;
