"""Small helpers without knowledge of the service."""
