"""Each policy on the page about migrating is what the page says of it: refused, or served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from entitlements.engine.policy_files import check_files
from entitlements.errors import StartupFault

PAGE = Path(__file__).resolve().parents[2] / "docs" / "migrating.md"
EXAMPLES = re.findall(r"```rego\n# (refused|here)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
LEGACY = b'package legacy\n\ndefault allow := false\n\nallow if "admin" in input.user.roles\n'


@pytest.mark.parametrize(("said", "text"), EXAMPLES, ids=[f"{said}-{n}" for n, (said, _) in enumerate(EXAMPLES)])
def test_a_policy_of_the_page_is_refused_or_served_as_it_says(said: str, text: str, opa: Path) -> None:
    files = {"orders/authz/authz.rego": text.encode(), "legacy/legacy.rego": LEGACY}
    if said == "here":
        check_files(files, Path("policies"), ["orders/authz/decision"], opa)
    else:
        with pytest.raises(StartupFault) as caught:
            check_files(files, Path("policies"), ["orders/authz/decision"], opa)
        assert any("forbidden" in fault.message or "data.users" in fault.message for fault in caught.value.faults)


def test_the_page_shows_both_kinds() -> None:
    assert {said for said, _ in EXAMPLES} == {"refused", "here"}
