"""Queries about an archive: SQL, searches, statistics, and the questions of the documentation."""
