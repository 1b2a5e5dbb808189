"""The OPA of this installation, as the settings name it: the one place that makes it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from entitlements.engine import Opa, find_opa
from entitlements.settings import Settings

TOOLS = Path(".tools")


def opa_of(settings: Settings) -> Opa:
    """The pinned OPA, one object a process, which keeps what it makes of policies. Raises StartupFault."""
    return _opa(find_opa(configured=settings.opa_bin, tools=TOOLS, search_path=settings.search_path))


@lru_cache(maxsize=4)
def _opa(executable: Path) -> Opa:
    return Opa(executable)
