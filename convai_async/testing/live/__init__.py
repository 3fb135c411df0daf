"""Live conversations of a fake service."""
