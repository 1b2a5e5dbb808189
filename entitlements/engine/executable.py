"""Finding the pinned OPA executable."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from entitlements.errors import StartupFault

OPA_VERSION = "1.22.2"
_ADVICE = f"run `make opa`, or install OPA {OPA_VERSION} and name it in ENTITLEMENTS_OPA_BIN"


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
        version = _version(candidate)
        if version != OPA_VERSION:
            raise StartupFault("opa_version", f"`{candidate}` is OPA {version}, not {OPA_VERSION}: {_ADVICE}")
        return Path(candidate).resolve()
    raise StartupFault("opa_not_found", f"there is no OPA executable: {_ADVICE}")


def _version(executable: str) -> str:
    try:
        done = subprocess.run([executable, "version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return "?"
    first = done.stdout.partition("\n")[0]
    return first.removeprefix("Version: ") if first.startswith("Version: ") else "?"
