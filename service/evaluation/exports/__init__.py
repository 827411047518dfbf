"""The results of an evaluation as files and pages: the table, its filters, its manifest."""
