"""A line made from a template is that of the whole record, octet for octet."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from entitlements.decision_log import DecisionRecord, line_template
from entitlements.decision_log.line import line_of
from entitlements.model import AccessRequest, Action, ContractRef, Decision, Resource

TEXTS = st.sampled_from(["", "a", 'a"b\\c/', "\u2028\x1f\x7f", "é\U0001f600", "u_1"]) | st.text(max_size=5)
NAMES = TEXTS.filter(bool)
REF = ContractRef("orders", "1.0.0", "sha256:d")
# What a decision by policy has in its record, and what of it a token and its contract say.
OF_TOKEN = ("subject", "client_id", "actor", "issuer", "audience", "contract", "contract_digest")
OF_REQUEST = ("request_id", "action", "resource_type", "resource_id", "policy_revision")


@given(st.fixed_dictionaries(dict.fromkeys(OF_TOKEN, TEXTS)), st.data())
def test_line_of_a_template_is_that_of_the_record(told: dict[str, str], data: Any) -> None:
    texts = {name: data.draw(TEXTS if name == "request_id" else NAMES) for name in OF_REQUEST}
    lists = {name: tuple(data.draw(st.lists(TEXTS, max_size=2))) for name in ("reasons", "obligations", "ignored")}
    allow, duration = data.draw(st.booleans()), round(data.draw(st.floats(0, 1e6)), 3)
    time = "2026-01-01T00:00:00.000+00:00"
    record = DecisionRecord(
        time=time, decision_id="d", effect="allow" if allow else "deny", duration_ms=duration, **told, **texts, **lists
    )
    duties = tuple({"id": name, "to": 1} for name in lists["obligations"])
    decision = Decision("d", allow, lists["reasons"], duties, (), REF, texts["policy_revision"])
    request = AccessRequest(
        "", Action(texts["action"]), Resource(texts["resource_type"], texts["resource_id"]), {}, None, None
    )
    # What else stands in the record of which the template is made is not in the line.
    template = line_template(replace(record, effect="reject", refusal="x", action="other", reasons=("other",)))
    line = template.line(decision, request, time=time, request_id=texts["request_id"], duration_ms=duration)
    assert line == line_of(record.as_json())


def test_record_has_no_member_that_a_template_does_not_know_of() -> None:
    known = {
        *OF_TOKEN,
        *OF_REQUEST,
        "time",
        "decision_id",
        "effect",
        "reasons",
        "obligations",
        "ignored",
        "duration_ms",
    }
    # A decision by policy about a single request has none of these.
    assert {field.name for field in fields(DecisionRecord)} == known | {"refusal", "violations", "batch_id"}
