"""Exports and imports: JSON Lines, CSV, Parquet and data frames."""
