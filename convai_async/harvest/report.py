"""How far a harvest is, and what came of it."""

from __future__ import annotations

import msgspec


class HarvestReport(msgspec.Struct, kw_only=True):
    """The counts of one run: growing while it runs, final when it returns.

    Attributes:
        found: Conversations that were listed, and such of earlier runs that were looked at again.
        fetched: Conversations fetched and written.
        unchanged: Conversations that were here, final, and looked in the list as before: not fetched.
        failed: Conversations, recordings and parts of the list that could not be read; the next run tries them again.
        undecodable: Of those fetched, how many are kept as raw JSON only.
        recordings: Recordings saved.
        deleted: Conversations that the service was found to have no more.
        not_pruned: Conversations that the service was found to have no more when pruning was refused, as there are more
            of them than ``prune_limit`` allows; 0 when it was not refused.
        bytes: Bytes of JSON and audio that were fetched.
        seconds: How long the run has taken.
        concurrency: How many requests may be in flight now.
        to_list: How many conversations are probably still to be listed, at least; 0 while nothing tells.
        listed: Whether the list was read to its end (or to ``limit``).
        reached_unix_secs: When the oldest conversation that was listed started.
        interrupted: Whether it was asked to stop early.
        waiting_for: What is wrong while the run waits for the service, else None.
        waiting_until_unix_secs: When it stops waiting, in unix seconds, else None.
    """

    found: int = 0
    fetched: int = 0
    unchanged: int = 0
    failed: int = 0
    undecodable: int = 0
    recordings: int = 0
    deleted: int = 0
    not_pruned: int = 0
    bytes: int = 0
    seconds: float = 0.0
    concurrency: int = 0
    to_list: int = 0
    listed: bool = False
    reached_unix_secs: int | None = None
    interrupted: bool = False
    waiting_for: str | None = None
    waiting_until_unix_secs: int | None = None

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is in the archive."""
        return self.listed and self.failed == 0 and not self.not_pruned and not self.interrupted

    @property
    def handled(self) -> int:
        """Of those found, how many are dealt with."""
        return self.fetched + self.unchanged + self.failed

    @property
    def seconds_left(self) -> float | None:
        """How long it will probably take yet; None when nothing tells."""
        if not self.handled or not self.seconds:
            return None
        left = max(self.found - self.handled, 0) + self.to_list
        return left * self.seconds / self.handled
