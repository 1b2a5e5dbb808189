"""The real OPA executable: it is never done without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from entitlements.engine import Opa, find_opa

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def opa() -> Opa:
    """The pinned executable, found as the service finds it."""
    found = find_opa(
        configured=os.environ.get("ENTITLEMENTS_OPA_BIN", ""),
        tools=ROOT / ".tools",
        search_path=os.environ.get("PATH", ""),
    )
    return Opa(found)
