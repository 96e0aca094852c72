"""The raw zone: Parquet days, replaced whole."""
