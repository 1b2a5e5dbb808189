"""How many examples a property test draws: few by default, whose seeds are fixed, and many more in `make nightly`."""

from __future__ import annotations

import os

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def examples(few: int, *, nightly: int = 2000) -> int:
    """The number of examples of a test that needs a limit of its own."""
    return nightly if NIGHTLY else few
