"""The jobs and results of steps: their records, and the statements for their tables."""
