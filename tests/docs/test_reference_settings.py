"""docs/reference/settings.md says the unit and range of each number. Names, defaults: tests/unit/test_settings.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from entitlements.errors import StartupFault
from entitlements.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(ENTITLEMENTS_\w+)` \| (?:`([^`]*)`)? ?\| ([^|]*) ?\| ([^|]*) ?\| (.*) \|$", PAGE, re.M)
RANGES = {name: [int(part) for part in span.split(" to ")] for name, _, _, span, _ in ROWS if span.strip()}


def test_every_setting_that_is_a_number_has_a_range_and_a_unit() -> None:
    for name, default, unit, span, _ in ROWS:
        assert bool(default.isdigit()) == bool(unit.strip()) == bool(span.strip()), name


@pytest.mark.parametrize("name", sorted(RANGES))
def test_settings_page_has_the_range_that_is_checked(name: str) -> None:
    low, high = RANGES[name]
    for value in (low, high):
        load_settings({name: str(value)})
    for value in (low - 1, high + 1):
        with pytest.raises(StartupFault):
            load_settings({name: str(value)})
