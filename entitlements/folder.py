"""The one reader of folders: what is digested, checked, proved and served is what this module read, and nothing else.

A room says by name which files it wants. Every other name (hidden, an editor's, a README) is not looked at and is never
an error. A symbolic link is followed as long as it ends inside the folder as it is mounted, which is how Kubernetes
presents a ConfigMap: `authz.rego -> ..data/authz.rego`, `..data -> ..2026_01_01`. Nothing here can hang: a FIFO, a
device or a socket is never opened for its content, and files, sizes and depth are bounded.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from entitlements.errors import Fault, FolderUnreadable

Wanted = Callable[[PurePosixPath], bool]
Fingerprint = tuple[tuple[str, object], ...]
_Identity = tuple[int, int]
_Version = tuple[int, int, int, int, int]
_MAX_DEPTH = 32
# Entries of any name that are looked at: links between sibling folders could otherwise multiply without end.
# A folder that is being replaced (a checkout, a new ConfigMap) is read again this often before that is an error.
_ATTEMPTS = 3
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_CHANGED = "changed while it was read, try again"
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a folder is read: files, bytes of one file, bytes in all, and names that are looked at."""

    files: int = 10_000
    file_bytes: int = 64 * 1024 * 1024
    total_bytes: int = 256 * 1024 * 1024
    entries: int = 20_000


CEILING = Limits()


def read_folder(
    root: Path, wanted: Wanted, limits: Limits = CEILING, *, depth: int = _MAX_DEPTH, code: str
) -> dict[str, bytes]:
    """The content of every wanted file below `root` by its relative POSIX path, in the order of the paths.

    wanted: whether a relative path is to be read, by its name alone; depth: how many parts a path may have, deeper
    folders are not entered; code: of the faults. Raises FolderUnreadable with a fault for each name that is wanted and
    cannot be read: nothing is left out silently.
    """
    for _ in range(_ATTEMPTS):
        traversal = _Traversal(root, wanted, limits, depth)
        found = traversal.read()
        changed = [(name, _CHANGED) for name in traversal.changed()]
        if not changed:
            break
    if told := sorted({*traversal.faults, *changed}):
        faults = [Fault(code, why, displayed(root / name)) for name, why in told]
        raise FolderUnreadable(code, f"`{displayed(root)}` cannot be read", faults, [*found])
    return found


def read_file(path: Path, limit: int, *, within: Path | None = None, code: str) -> bytes:
    """The content of one regular file that was named. within: the folder that a link must not leave.

    Raises FolderUnreadable.
    """
    try:
        return _content(path, os.path.realpath(within) if within is not None else None, limit)[0]
    except _Refused as refused:
        why = refused.why
    except OSError as error:
        why = _reason(error, path)
    except ValueError:
        why = "cannot be read: the name holds a NUL"
    fault = Fault(code, f"the file {why}", displayed(path))
    raise FolderUnreadable(code, str(fault), [fault])


def fingerprint(root: Path, wanted: Wanted, *, depth: int = _MAX_DEPTH) -> Fingerprint:
    """What differs once the wanted files of a folder do, or the reasons why one cannot be read. Never raises."""
    traversal = _Traversal(root, wanted, CEILING, depth)
    return (*traversal.listing().items(), *traversal.faults)


def displayed(path: str | Path) -> str:
    """A path for a message: octets that are not UTF-8 and control characters are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


class _Refused(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass
class _Traversal:
    """One look at a folder. faults: relative path and reason."""

    root: Path
    wanted: Wanted
    limits: Limits
    depth: int
    faults: list[tuple[str, str]] = field(default_factory=list)
    _seen: dict[str, _Version] = field(default_factory=dict)
    _moved: set[str] = field(default_factory=set)
    _entries: int = 0

    def __post_init__(self) -> None:
        self._real = os.path.realpath(self.root)

    def read(self) -> dict[str, bytes]:
        """The content of the wanted files; what cannot be read is a fault."""
        found: dict[str, bytes] = {}
        total = 0
        for name, version in self.listing().items():
            if len(found) >= self.limits.files:
                self._fault("", f"holds more than {self.limits.files} files")
                break
            content = self._file(name, version)
            if content is None:
                continue
            total += len(content)
            if total > self.limits.total_bytes:
                self._fault("", f"holds more than {self.limits.total_bytes} bytes")
                break
            found[name] = content
        return found

    def _file(self, name: str, version: _Version) -> bytes | None:
        try:
            content, read = _content(self.root / name, self._real, self.limits.file_bytes)
        except _Refused as refused:
            if refused.why == _CHANGED:
                self._moved.add(name)
            else:
                self._fault(name, refused.why)
            return None
        except OSError as error:
            self._fault(name, _reason(error, self.root / name))
            return None
        if read != version:
            self._moved.add(name)
        return content

    def listing(self) -> dict[str, _Version]:
        """The wanted files that are regular ones, with what distinguishes one content from another, in order."""
        try:
            status = self.root.stat()
        except OSError as error:
            self._fault("", _reason(error, self.root))
            return {}
        if not stat.S_ISDIR(status.st_mode):
            self._fault("", "is not a folder")
            return {}
        self._enter("", (_identity(status),))
        self._seen = dict(sorted(self._seen.items()))
        return self._seen

    def changed(self) -> list[str]:
        """The names of files that are others now than when they were listed, or changed while they were read."""
        again = _Traversal(self.root, self.wanted, self.limits, self.depth).listing()
        return sorted(self._moved | {name for name, _ in self._seen.items() ^ again.items()})

    def _fault(self, name: str, why: str) -> None:
        self.faults.append((name, why))

    def _enter(self, folder: str, ancestors: tuple[_Identity, ...]) -> None:
        try:
            names = sorted(path.name for path in (self.root / folder).iterdir())
        except OSError as error:
            self._fault(folder, _reason(error, self.root / folder))
            return
        for name in names:
            self._entries += 1
            if self._entries > self.limits.entries:
                self._fault("", f"holds more than {self.limits.entries} entries")
                return
            if not name.startswith("."):
                self._visit(f"{folder}/{name}" if folder else name, ancestors)

    def _visit(self, name: str, ancestors: tuple[_Identity, ...]) -> None:
        path = self.root / name
        wanted = self.wanted(PurePosixPath(name))
        try:
            status = path.stat()
        except OSError as error:
            if wanted or _may_be_folder(path):
                self._fault(name, _reason(error, path))
            return
        if stat.S_ISDIR(status.st_mode):
            if wanted:
                self._fault(name, "is a folder where a file is expected")
            elif name.count("/") + 1 < self.depth:
                self._descend(name, path, _identity(status), ancestors)
            elif self.depth == _MAX_DEPTH:
                self._fault(name, f"is nested deeper than {_MAX_DEPTH} folders")
        elif wanted:
            self._list(name, status)

    def _descend(self, name: str, path: Path, identity: _Identity, ancestors: tuple[_Identity, ...]) -> None:
        if path.is_symlink():
            if identity in ancestors:
                self._fault(name, f"is a link to `{_target(path)}`, which leads back to itself")
                return
            if not _inside(os.path.realpath(path), self._real):
                self._fault(name, f"is a link to `{_target(path)}`, out of the folder")
                return
        self._enter(name, (*ancestors, identity))

    def _list(self, name: str, status: os.stat_result) -> None:
        if any("\ud800" <= character <= "\udfff" for character in name):
            self._fault(name, "has a name that is not UTF-8")
        elif not name.isprintable():
            self._fault(name, "has a name with control characters")
        elif status.st_size > self.limits.file_bytes:
            self._fault(name, f"is larger than {self.limits.file_bytes} bytes")
        else:
            self._seen[name] = _version(status)


def _may_be_folder(path: Path) -> bool:
    """Whether a name that leads nowhere may be that of a folder: a link without a suffix, or it cannot be told."""
    try:
        return stat.S_ISLNK(path.lstat().st_mode) and "." not in path.name
    except OSError:
        return True


def _content(path: Path, within: str | None, limit: int) -> tuple[bytes, _Version]:
    """What a regular file holds, and which version of it that is. Raises OSError and _Refused."""
    # Looked at before it is opened: opening a device can have an effect of its own.
    _refuse_special(path.stat())
    descriptor = os.open(path, _FLAGS)
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        _refuse_special(before)
        if within is not None:
            _refuse_outside(path, within, before)
        content = file.read(limit + 1)
        if len(content) > limit:
            raise _Refused(f"is larger than {limit} bytes")
        after = os.fstat(descriptor)
    if _version(before) != _version(after) or len(content) != after.st_size:
        raise _Refused(_CHANGED)
    return content, _version(after)


def _refuse_special(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _Refused(f"is {_KINDS.get(stat.S_IFMT(status.st_mode), 'a special file')}, not a regular file")


def _refuse_outside(path: Path, within: str, opened: os.stat_result) -> None:
    """What was opened must be the very file that the path leads to inside of the folder."""
    real = os.path.realpath(path)
    if not _inside(real, within):
        raise _Refused(f"is a link to `{_target(path)}`, out of the folder")
    if _identity(Path(real).stat()) != _identity(opened):
        raise _Refused(_CHANGED)


def _inside(real: str, root: str) -> bool:
    return os.path.commonpath([real, root]) == root


def _target(path: Path) -> str:
    """Where a link says that it leads, or where a name leads to by a link above it."""
    try:
        return displayed(path.readlink() if path.is_symlink() else os.path.realpath(path))
    except OSError:
        return displayed(path)


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino


def _version(status: os.stat_result) -> _Version:
    return (*_identity(status), status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _reason(error: OSError, path: Path) -> str:
    if error.errno == errno.ELOOP:
        return f"is a link to `{_target(path)}`, which leads back to itself"
    if error.errno == errno.ENOENT and path.is_symlink():
        return f"is a link to `{_target(path)}`, which is not there"
    return f"cannot be read: {os.strerror(error.errno or 0).lower()}"
