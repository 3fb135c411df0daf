"""Harvest and process conversations on several machines, with PostgreSQL as the queue."""
