"""Archives in SQLite: the file, its schema and upgrades, and how conversations are written."""
