"""Whatever a source's rows were written in, one Parquet file of texts."""
