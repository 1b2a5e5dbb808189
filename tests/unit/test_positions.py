"""What YAML text becomes, and the line that a fault is reported with."""

from __future__ import annotations

import pytest

from entitlements import positions


@pytest.mark.parametrize(("opening", "line"), [("[" * 5000, 1), ("a: [1,\n" * 40, 13), ("- " * 5000, 1)])
def test_a_deep_document_is_refused_at_its_line(opening: str, line: int) -> None:
    faults = positions.read(opening).faults
    assert [(found, "nested too deep" in why) for found, _, why in faults] == [(line, True)]


def test_depth_within_the_limit_is_read() -> None:
    located = positions.read("[" * 24 + "]" * 24)
    assert located.faults == []
