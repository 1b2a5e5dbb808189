"""The OPA executable that the settings name: the one place that looks for it."""

from __future__ import annotations

from pathlib import Path

from entitlements.engine import find_opa
from entitlements.settings import Settings

TOOLS = Path(".tools")


def opa_of(settings: Settings) -> Path:
    """The pinned OPA executable. Raises StartupFault."""
    return find_opa(configured=settings.opa_bin, tools=TOOLS, search_path=settings.search_path)
