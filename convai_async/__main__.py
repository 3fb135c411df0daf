"""``python -m convai_async``: the same as ``convai-async``."""

from convai_async.cli import main

main()
