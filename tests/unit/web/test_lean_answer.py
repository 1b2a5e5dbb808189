"""The body in one piece is what Flask's provider makes of the same decision."""

from __future__ import annotations

from typing import Any

from flask import Flask, json
from hypothesis import given
from hypothesis import strategies as st

from entitlements.model import ContractRef, Decision, Violation
from entitlements.web.authorize import render
from entitlements.web.lean_answer import answer_body

APP = Flask("test")
TEXTS = st.sampled_from(["", "a", 'a"b\\c/', "\u2028\x1f\x7f", "é\U0001f600", "sha256:d"])
DUTIES = st.sampled_from(
    [{"id": "mask", "fields": ["a", 1.5, None]}, {"id": "step_up", "acr_values": "mfa"}, {"id": "é"}]
)
REFS = st.none() | st.builds(ContractRef, TEXTS, TEXTS, TEXTS)
VIOLATIONS = st.lists(st.builds(Violation, TEXTS, TEXTS, TEXTS), max_size=1).map(tuple)


@given(
    st.builds(
        Decision,
        TEXTS,
        st.booleans(),
        st.lists(TEXTS, max_size=2).map(tuple),
        st.lists(DUTIES, max_size=2).map(tuple),
        VIOLATIONS,
        REFS,
        st.none() | TEXTS,
    )
)
def test_body_is_that_of_the_ordinary_route(decision: Any) -> None:
    with APP.app_context():
        assert answer_body(decision) == json.dumps(render(decision, "Bearer")).encode()
