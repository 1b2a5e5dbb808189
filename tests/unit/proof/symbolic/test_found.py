"""A failure as it is told: where it is, what it is and an input that shows it."""

from __future__ import annotations

from entitlements.proof.symbolic.found import Failure
from entitlements.proof.symbolic.values.place import NOWHERE, Place


def test_failure_names_file_line_and_input() -> None:
    failure = Failure(Place("shop/authz.rego", 7, 3), "`plus` fails", {"subject": {"id": "u_1"}})
    assert failure.as_json() == {
        "file": "shop/authz.rego",
        "line": 7,
        "message": "`plus` fails",
        "input": {"subject": {"id": "u_1"}},
    }


def test_place_is_written_with_its_line_where_there_is_one() -> None:
    assert str(Place("a.rego", 7, 3)) == "a.rego:7"
    assert str(Place("a.rego", 0, 0)) == "a.rego"
    assert str(NOWHERE) == ""
