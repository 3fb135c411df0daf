"""The steps of an archive: their jobs, results and queue."""
