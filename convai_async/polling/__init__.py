"""Wait for conversations, watch for new ones, and get or delete many at once."""
