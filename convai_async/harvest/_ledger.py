"""Decide when a range of the list counts as read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from convai_async.archive._windows import Window
from convai_async.harvest._jobs import Job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convai_async.harvest._jobs import Result


class Reading(msgspec.Struct, eq=False):
    """One reading of a range of the list.

    Attributes:
        window: The range.
        ids: The ids of the conversations of the range that were listed.
        unwritten: The jobs whose results are not written yet.
        is_whole: Whether every listed conversation is fetched: none is undecodable.
        read: The window to record as read when all jobs are written; None while the range is being read.
    """

    window: Window
    ids: set[str] = msgspec.field(default_factory=set)
    unwritten: set[Job] = msgspec.field(default_factory=set)
    is_whole: bool = True
    read: Window | None = None


class Ledger:
    """Tracks which conversations are being fetched or are written, and which ranges count as read.

    A range counts as read only if all conversations that it listed are written. So its reading waits for the job of
    each of them, also if another range listed it first, and for the check of each stored conversation that the list
    does not have.

    A result counts as written when its transaction begins. Transactions run one after the other, and if one fails, the
    run ends. So a window is committed together with its conversations or after them, never before.
    """

    def __init__(self) -> None:
        self._underway: dict[str, Job] = {}
        self._written: set[str] = set()
        self._readings: set[Reading] = set()

    def begin(self, window: Window) -> Reading:
        """Begin to read a range."""
        reading = Reading(window)
        self._readings.add(reading)
        return reading

    def is_written(self, conversation_id: str) -> bool:
        """Return whether this run has written a conversation; see `leave_to_archive` for those it has forgotten."""
        return conversation_id in self._written

    def wait_if_underway(self, reading: Reading, conversation_id: str) -> bool:
        """Let a reading wait for a conversation if it is being fetched, and return whether it is."""
        job = self._underway.get(conversation_id)
        if job is not None:
            reading.unwritten.add(job)
        return job is not None

    def add(self, reading: Reading, job: Job) -> None:
        """Let a reading wait for a new job."""
        reading.unwritten.add(job)
        if job.kind == "conversation":
            self._underway[job.conversation_id] = job

    def finish(self, reading: Reading, read: Window) -> None:
        """Note that a range was read to its end, and which window that is."""
        if reading.is_whole and not read.is_empty:
            reading.read = read
        else:
            self.give_up(reading)

    def give_up(self, reading: Reading) -> None:
        """Note that a reading does not count."""
        self._readings.discard(reading)

    def mark_written(self, results: Iterable[Result]) -> list[Window]:
        """Note that results are being written, and return the windows to record as read in the same transaction."""
        jobs = {result.job for result in results if result.job is not None}
        for job in jobs:
            if job.kind == "conversation":
                self._underway.pop(job.conversation_id, None)
                self._written.add(job.conversation_id)
        windows = []
        for reading in list(self._readings):
            reading.unwritten -= jobs
            if reading.read is not None and not reading.unwritten:
                self._readings.discard(reading)
                windows.append(reading.read)
        return windows

    def leave_to_archive(self, ids: Iterable[str]) -> None:
        """Forget conversations that are committed and final, so that memory does not grow with their number.

        The archive tells that they need not be fetched again.
        """
        self._written.difference_update(ids)
