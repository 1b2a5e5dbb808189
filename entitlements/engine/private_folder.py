"""The folder that a child OPA listens in: no one but our user can enter it, so no one else can ask or answer there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from entitlements.engine.unix_socket import MAX_PATH
from entitlements.errors import StartupFault

_PREFIX = "entitlements-"
_TEMPORARY = "/tmp"  # noqa: S108 - each folder below it is made anew, with a name that was not there and mode 0700
SOCKET = "opa.sock"


def private_base(runtime_dir: str = "") -> Path:
    """The shorter one of `runtime_dir` (XDG_RUNTIME_DIR) and /tmp, as far as each is a folder.

    The path of a socket is short by nature. Raises StartupFault `no_private_folder` where neither is a folder.
    """
    found = [name for name in (runtime_dir, _TEMPORARY) if name.startswith("/") and Path(name).is_dir()]
    if not found:
        raise StartupFault(
            "no_private_folder",
            f"there is no folder for OPA's socket: neither XDG_RUNTIME_DIR nor `{_TEMPORARY}` is a folder, make one",
        )
    return Path(min(found, key=lambda name: len(os.fsencode(name))))


def private_folder(base: Path) -> Path:
    """A new folder directly under `base` that only our user can enter.

    Raises StartupFault `no_private_folder` where it cannot be made, or where a socket in it would have too long a path.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    except OSError as error:
        raise StartupFault(
            "no_private_folder",
            f"no folder for OPA's socket can be made in `{base}`: {error.strerror}, "
            "set XDG_RUNTIME_DIR to a folder that only you can write to",
        ) from error
    length = len(os.fsencode(folder / SOCKET))
    if length > MAX_PATH:
        folder.rmdir()
        raise StartupFault(
            "no_private_folder",
            f"the path of OPA's socket in `{base}` would have {length} bytes, {MAX_PATH} are permitted: "
            "set XDG_RUNTIME_DIR to a folder with a shorter path",
        )
    return folder
