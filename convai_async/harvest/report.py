"""How far a harvest is, and what came of it."""

from __future__ import annotations

import msgspec


class HarvestReport(msgspec.Struct, kw_only=True):
    """The counts of one run: growing while it runs, final when it returns.

    Attributes:
        found: Conversations that the service listed.
        fetched: Conversations fetched and written.
        unchanged: Conversations that were here and final already, and so were not fetched.
        failed: Conversations that could not be fetched; the next run tries them again.
        undecodable: Of those fetched, how many are kept as raw JSON only.
        recordings: Recordings saved.
        bytes: Bytes of JSON and audio that were fetched.
        seconds: How long the run has taken.
        listed: Whether the list was read to its end (or to ``limit``).
        reached_unix_secs: When the last listed conversation started: lists run from new to old.
    """

    found: int = 0
    fetched: int = 0
    unchanged: int = 0
    failed: int = 0
    undecodable: int = 0
    recordings: int = 0
    bytes: int = 0
    seconds: float = 0.0
    listed: bool = False
    reached_unix_secs: int | None = None

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is in the archive."""
        return self.listed and self.failed == 0
