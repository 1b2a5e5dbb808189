"""Finding the pinned OPA executable."""

from __future__ import annotations

import os
import shutil
from functools import lru_cache
from pathlib import Path

from entitlements.engine.opa_install import OPA_VERSION, version_of
from entitlements.errors import StartupFault

__all__ = ["OPA_VERSION", "find_opa"]

_ADVICE = f"run `entitlements opa install`, or install OPA {OPA_VERSION} and name it in ENTITLEMENTS_OPA_BIN"


def find_opa(*, configured: str, tools: Path, search_path: str) -> Path:
    """The executable named by `configured`, else `tools`/opa, else the one on `search_path`.

    Raises StartupFault `opa_not_found` or `opa_version` (it is not the pinned version, or does not run).
    """
    beside = tools / "opa"
    on_path = shutil.which("opa", path=search_path) if search_path else None
    candidates = [configured] if configured else [str(beside) if beside.exists() else "", on_path or ""]
    for candidate in filter(None, candidates):
        if not (Path(candidate).is_file() and os.access(candidate, os.X_OK)):
            break
        about = Path(candidate).stat()
        version = _version(candidate, about.st_ino, about.st_size, about.st_mtime_ns)
        if version != OPA_VERSION:
            raise StartupFault("opa_version", f"`{candidate}` is OPA {version}, not {OPA_VERSION}: {_ADVICE}")
        return Path(candidate).resolve()
    raise StartupFault("opa_not_found", f"there is no OPA executable: {_ADVICE}")


@lru_cache(maxsize=4)
def _version(executable: str, _inode: int, _size: int, _changed: int) -> str:
    """What an executable says of itself, asked once as long as the file is the same."""
    return version_of(executable)
