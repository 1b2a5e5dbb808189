"""The set of realistic policies is whole: enough of them, three changes each, and each says what is true of it."""

from __future__ import annotations

from collections import Counter

from bench.field.__main__ import Outcome, rate
from bench.field.case import Change, load
from entitlements.contract import conforms
from entitlements.proof.migration import related

CHANGES = load()


def test_set_has_forty_policies_with_three_changes_each() -> None:
    counted = Counter(change.name.split(":")[0] for change in CHANGES)
    assert len(counted) >= 40
    assert set(counted.values()) == {3}


def test_written_pairs_are_tokens_of_one_principal() -> None:
    for change in CHANGES:
        if change.pair is None:
            continue
        old, new = change.contracts
        before, after = change.pair.before, change.pair.after
        for contract, token in ((old, before), (new, after)):
            assert all(conforms(contract.claims[name].schema, value) for name, value in token.claims.items())
        assert related(old, new, (before.scopes, before.claims), (after.scopes, after.claims)), change.name


def _outcome(answer: str, *, widens: bool) -> Outcome:
    change: Change = next(one for one in CHANGES if one.widens == widens)
    return Outcome(change, answer, 0.1, "")


def test_rate_fails_below_nine_tenths_and_on_any_false_answer() -> None:
    proved, unknown = _outcome("proved", widens=False), _outcome("unknown", widens=False)
    assert rate([proved] * 9 + [unknown]) == 0
    assert rate([proved] * 8 + [unknown] * 2) == 1
    assert rate([proved] * 99 + [_outcome("proved", widens=True)]) == 1
    assert rate([proved] * 99 + [_outcome("refuted", widens=False)]) == 1
    assert rate([]) == 1
