"""What SQLite does to its files, step by step: to stop at each, to lose what was not synced, or to fail it.

A VFS is SQLite's layer of files (https://www.sqlite.org/vfs.html). This one lies over the system's own, for the
SQLite that Python's ``sqlite3`` uses, and hands everything on.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping

SQLITE_OK = 0
SQLITE_FULL = 13
SQLITE_IOERR_WRITE = 778
SQLITE_IOERR_FSYNC = 1034
SECTOR = 512
"""Bytes that a disk writes whole or not at all."""

# Names are handed on as they are: SQLite keeps the pointer, and has more behind it.
_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)


class _VFS(Structure):
    """``sqlite3_vfs``; of the methods after ``xDelete`` only that they are there."""

    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", _Open),
        ("xDelete", _Delete),
        ("others", c_void_p * 14),
    )


class _Methods(Structure):
    """``sqlite3_io_methods``."""

    _fields_ = (
        ("iVersion", c_int),
        ("xClose", c_void_p),
        ("xRead", c_void_p),
        ("xWrite", _Write),
        ("xTruncate", _Truncate),
        ("xSync", _Sync),
        ("others", c_void_p * 13),
    )


class _File(Structure):
    """``sqlite3_file``."""

    _fields_ = (("pMethods", POINTER(_Methods)),)


class Step(msgspec.Struct, frozen=True):
    """One thing that happened to a file.

    Attributes:
        kind: What.
        name: The file's name.
        offset: Where it was written, or how long it is after it was cut.
        data: What was written.
        synced: Whether the folder was synced after the file was deleted.
    """

    kind: Literal["write", "truncate", "sync", "delete"]
    name: str
    offset: int = 0
    data: bytes = b""
    synced: bool = False

    def __str__(self) -> str:
        where = {"write": f" at {self.offset}, {len(self.data)} bytes", "truncate": f" to {self.offset}"}
        return f"{self.kind} {self.name}{where.get(self.kind, '')}"


class RecordedDisk:
    """Records the steps of SQLite's files below a folder, and can fail them.

    Attributes:
        steps: What has happened.
        fails_after: How many steps succeed before the disk fails; None is all.
        error: What SQLite is told then.
        failed: Whether it has failed.
    """

    def __init__(self, folder: Path) -> None:
        self.steps: list[Step] = []
        self.fails_after: int | None = None
        self.error = SQLITE_FULL
        self.failed = False
        self._folder = folder
        self._names: dict[int, str] = {}
        self._methods: dict[int, _Methods] = {}
        library = ctypes.CDLL(_sqlite3.__file__)  # also finds what the module is linked to
        library.sqlite3_vfs_find.restype = POINTER(_VFS)
        library.sqlite3_vfs_register.argtypes = (POINTER(_VFS), c_int)
        library.sqlite3_vfs_unregister.argtypes = (POINTER(_VFS),)
        self._library = library
        self._system = library.sqlite3_vfs_find(None)
        self._vfs = _VFS.from_buffer_copy(self._system.contents)
        self._vfs.zName = b"recorded"
        self._vfs.xOpen = _Open(self._open)
        self._vfs.xDelete = _Delete(self._delete)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let every database that is opened in this block be recorded; close them in it, too."""
        assert self._library.sqlite3_vfs_register(self._vfs, 1) == SQLITE_OK
        try:
            yield
        finally:
            assert self._library.sqlite3_vfs_register(self._system, 1) == SQLITE_OK
            assert self._library.sqlite3_vfs_unregister(self._vfs) == SQLITE_OK

    def _open(self, _vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        system = self._system.contents
        code = system.xOpen(ctypes.addressof(system), name, file, flags, out)
        path = _path(name)
        if code == SQLITE_OK and self._folder in path.parents:
            self._names[file] = path.name
            opened = ctypes.cast(file, POINTER(_File)).contents
            address = ctypes.addressof(opened.pMethods.contents)
            if address not in self._methods:
                self._methods[address] = self._recording(opened.pMethods.contents)
            opened.pMethods = ctypes.pointer(self._methods[address])
        return int(code)

    def _recording(self, system: _Methods) -> _Methods:
        methods = _Methods.from_buffer_copy(system)
        write, truncate, sync = system.xWrite, system.xTruncate, system.xSync

        def recorded_write(file: int, data: int, size: int, offset: int) -> int:
            step = Step("write", self._names[file], offset, ctypes.string_at(data, size))
            return self._take(step) or int(write(file, data, size, offset))

        def recorded_truncate(file: int, size: int) -> int:
            return self._take(Step("truncate", self._names[file], size)) or int(truncate(file, size))

        def recorded_sync(file: int, flags: int) -> int:
            return self._take(Step("sync", self._names[file])) or int(sync(file, flags))

        methods.xWrite = _Write(recorded_write)
        methods.xTruncate = _Truncate(recorded_truncate)
        methods.xSync = _Sync(recorded_sync)
        return methods

    def _delete(self, _vfs: int, name: int, sync_folder: int) -> int:
        system = self._system.contents
        failed = self._take(Step("delete", _path(name).name, synced=bool(sync_folder)))
        return failed or int(system.xDelete(ctypes.addressof(system), name, sync_folder))

    def _take(self, step: Step) -> int:
        if self.fails_after is not None and len(self.steps) >= self.fails_after:
            self.failed = True
            return self.error
        self.steps.append(step)
        return SQLITE_OK


def _path(name: int | None) -> Path:
    return Path("" if name is None else ctypes.string_at(name).decode())


class _StoredFile:
    """A file, whatever its name: one that is made after another was deleted is a new one.

    Attributes:
        content: The bytes that are surely on the disk.
        waiting: The steps that may be on the disk or not.
    """

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.waiting: list[Step] = []

    def sync(self) -> None:
        for step in self.waiting:
            self._apply(step)
        self.waiting.clear()

    def lose_some(self, rng: random.Random) -> None:
        """Keep some of the waiting steps: of writes, some sectors."""
        for step in self.waiting:
            if step.kind == "truncate":
                if rng.random() < 0.5:
                    self._apply(step)
                continue
            for start in range(0, len(step.data), SECTOR):
                if rng.random() < 0.5:
                    self._apply(Step("write", step.name, step.offset + start, step.data[start : start + SECTOR]))
        self.waiting.clear()

    def _apply(self, step: Step) -> None:
        if step.kind == "truncate":
            del self.content[step.offset :]
            return
        self.content.extend(bytes(max(0, step.offset - len(self.content))))
        self.content[step.offset : step.offset + len(step.data)] = step.data


class Crash:
    """The files on the disk when everything stopped after some of the steps.

    Args:
        steps: The steps that were taken.
        rng: None: the process was killed, and the system goes on. Else the power failed: of the steps that were not
            synced, some are there and some are not, sector by sector.
        before: The files that were there before, by name.

    Attributes:
        files: The bytes of each file, by name.
        description: The kind of crash, and the last step before it.
    """

    def __init__(
        self, steps: list[Step], rng: random.Random | None, before: Mapping[str, bytes] = MappingProxyType({})
    ) -> None:
        last = f"step {len(steps)}, {steps[-1]}" if steps else "no step"
        self.description = f"{'killed' if rng is None else 'power failed'} after {last}"
        on_disk = {name: _StoredFile(content) for name, content in before.items()}
        self._named = dict(on_disk)
        """The files as a process sees them."""
        self._on_disk = on_disk
        """The files whose names are surely on the disk."""
        self._renamed: list[tuple[str, _StoredFile | None]] = []
        """Names that were given or removed since the folder was synced."""
        for step in steps:
            self._take(step)
        if rng is None:
            self._sync_folder()
        else:
            self._lose_some_names(rng)
        for file in self._on_disk.values():
            if rng is None:
                file.sync()
            else:
                file.lose_some(rng)
        self.files = {name: bytes(file.content) for name, file in self._on_disk.items()}

    def put_into(self, folder: Path) -> None:
        """Write the files."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)

    def _take(self, step: Step) -> None:
        if step.kind == "delete":
            self._rename(step.name, None)
            if step.synced:
                self._sync_folder()
            return
        if step.name not in self._named:
            self._rename(step.name, _StoredFile())
        file = self._named[step.name]
        if step.kind == "sync":
            file.sync()
            # With the first sync of a journal or log that it made, SQLite syncs the folder.
            if self._on_disk.get(step.name) is not file:
                self._sync_folder()
        else:
            file.waiting.append(step)

    def _rename(self, name: str, file: _StoredFile | None) -> None:
        self._renamed.append((name, file))
        _set(self._named, name, file)

    def _sync_folder(self) -> None:
        for name, file in self._renamed:
            _set(self._on_disk, name, file)
        self._renamed.clear()

    def _lose_some_names(self, rng: random.Random) -> None:
        """Keep the first few changes of each name."""
        for changed in dict.fromkeys(name for name, _ in self._renamed):
            changes = [file for name, file in self._renamed if name == changed]
            for file in changes[: rng.randint(0, len(changes))]:
                _set(self._on_disk, changed, file)


def _set(files: dict[str, _StoredFile], name: str, file: _StoredFile | None) -> None:
    if file is None:
        files.pop(name, None)
    else:
        files[name] = file
