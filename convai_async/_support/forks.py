"""Let forks wait until other threads do not use the database, and end forks of functions that return."""

from __future__ import annotations

import os
import traceback
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterator

_forking = Lock()
_locks: WeakSet[Lock] = WeakSet()
_held: list[Lock] = []


def hold_in_forks(lock: Lock) -> None:
    """Make each fork of this process wait until no thread has a lock.

    A child has the memory of its parent, but none of its other threads: a mutex that one of them had, for example in
    SQLite, stays locked in the child for as long as it runs.

    Args:
        lock: The lock around what threads use. It is forgotten with its last reference.
    """
    with _forking:
        _locks.add(lock)


def _acquire() -> None:
    _forking.acquire()
    _held.extend(_locks)
    for lock in _held:
        lock.acquire()


def _release() -> None:
    for lock in _held:
        lock.release()
    _held.clear()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_release)


@contextmanager
def end_forks() -> Iterator[None]:
    """End a child that the block has forked when it leaves the block; otherwise it would continue as a second parent.

    Its exit code is that of its `SystemExit`, 1 after another exception, and otherwise 0.
    """
    process = os.getpid()
    code = 0
    try:
        yield
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    except BaseException as error:
        code = 1
        if os.getpid() != process:
            traceback.print_exception(error)
        raise
    finally:
        if os.getpid() != process:
            os._exit(code)
