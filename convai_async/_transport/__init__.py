"""HTTP: sends requests with a limit and retries, over aiohttp."""
