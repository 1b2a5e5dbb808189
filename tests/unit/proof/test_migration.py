"""The migration relation: the table of the design, row by row, and the laws that it has to keep."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from entitlements.contract import ClaimSpec, Contract, conforms, parse_contract
from entitlements.contract.sources import Extraction
from entitlements.model import same_json
from entitlements.proof.migration import ABSENT, ClaimStep, in_access_token, related, related_claim, related_scopes
from tests.shop import SHOP

HERE = (True, True)


def spec(schema: dict[str, Any] | None, required: bool = True) -> ClaimSpec | None:
    return None if schema is None else ClaimSpec("c", schema, required, "internal", ("access_token",), "", "")


def may(
    old: ClaimSpec | None, new: ClaimSpec | None, before: Any, after: Any, released: tuple[bool, bool] = HERE
) -> bool:
    return related_claim(ClaimStep("c", "c", old, new), before, after, released=released)


def words(*values: Any) -> dict[str, Any]:
    return {"enum": [*values]}


def many(*values: Any, **rest: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"enum": [*values]}, "maxItems": 3, **rest}


AB, ABC, BC = words("a", "b"), words("a", "b", "c"), words("b", "c")
LEVEL, WIDER = ({"type": "integer", "minimum": 0, "maximum": top} for top in (3, 5))
TABLE = [
    ("same: the same value", spec(AB), spec(AB), "a", {"a"}),
    ("same, optional: absent on both sides", spec(AB, False), spec(AB, False), ABSENT, {ABSENT}),
    ("vocabulary grew: the old value or a new one", spec(AB), spec(ABC), "a", {"a", "c"}),
    ("vocabulary shrank: a kept value stays", spec(ABC), spec(AB), "a", {"a"}),
    ("vocabulary shrank: a lost value becomes any", spec(ABC), spec(AB), "c", {"a", "b"}),
    ("vocabulary shrank, optional: or absent", spec(ABC, False), spec(AB, False), "c", {"a", "b", ABSENT}),
    ("vocabulary moved", spec(AB), spec(BC), "b", {"b", "c"}),
    ("range grew", spec(LEVEL), spec(WIDER), 2, {2, 4, 5}),
    ("range shrank: kept", spec(WIDER), spec(LEVEL), 2, {2}),
    ("range shrank: lost", spec(WIDER), spec(LEVEL), 5, {0, 1, 2, 3}),
    ("another type", spec(AB), spec(LEVEL), "a", {0, 1, 2, 3}),
    ("another type, optional", spec(AB), spec(LEVEL, False), "a", {0, 1, 2, 3, ABSENT}),
    ("removed", spec(AB), None, "a", {ABSENT}),
    ("added", None, spec(AB), ABSENT, {"a", "b"}),
    ("added, optional", None, spec(AB, False), ABSENT, {"a", "b", ABSENT}),
    ("required to optional", spec(AB), spec(AB, False), "a", {"a", ABSENT}),
    ("optional to required: present", spec(AB, False), spec(AB), "a", {"a"}),
    ("optional to required: absent", spec(AB, False), spec(AB), ABSENT, {"a", "b"}),
    ("optional, vocabulary grew: absent", spec(AB, False), spec(ABC, False), ABSENT, {ABSENT, "c"}),
]
TRIED = ["a", "b", "c", 0, 1, 2, 3, 4, 5, ABSENT]


@pytest.mark.parametrize(("old", "new", "before", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_scalar_may_become_what_the_table_says(old: Any, new: Any, before: Any, wanted: set[Any]) -> None:
    assert {after for after in TRIED if may(old, new, before, after)} == wanted


def test_a_boolean_is_no_number() -> None:
    assert not may(spec(words(1)), spec(words(True)), True, True)
    assert may(spec(words(1)), spec(words(True)), 1, True)
    assert not same_json(True, 1)
    assert same_json(1, 1.0)


LISTS = [
    ("same: the same list", many("a", "b"), many("a", "b"), ["a"], [["a"]], [[], ["a", "b"], ["b"]]),
    ("grew: kept", many("a"), many("a", "b"), ["a"], [["a"]], []),
    ("grew: appended", many("a"), many("a", "b"), ["a"], [["a", "b"]], []),
    ("grew: replaced by a new value", many("a"), many("a", "b"), ["a"], [["b"]], [[]]),
    ("shrank: dropped", many("a", "b"), many("a"), ["a", "b"], [["a"]], [[]]),
    ("shrank: nothing else may come", many("a", "b", "c"), many("a", "b"), ["c"], [[]], [["a"], ["b"]]),
    ("maximum lowered: items are lost", many("a", "b"), many("a", "b", maxItems=1), ["a", "b"], [["a"], ["b"]], [[]]),
    (
        "maximum raised: it may grow beyond",
        many("a", "b", maxItems=1),
        many("a", "b"),
        ["a"],
        [["a"], ["a", "b"]],
        [["b"], []],
    ),
    (
        "minimum lowered: it may shrink below",
        many("a", "b", minItems=2),
        many("a", "b"),
        ["a", "b"],
        [["a", "b"], ["a"], ["b"], []],
        [],
    ),
    ("minimum kept: it may not", many("a", "b", minItems=1), many("a", "b", "c", minItems=1), ["a"], [["a"]], [["b"]]),
    ("too few are left: any may come", many("a", "b", minItems=1), many("b", minItems=1), ["a"], [["b"]], []),
]


@pytest.mark.parametrize(
    ("old", "new", "before", "permitted", "refused"), [row[1:] for row in LISTS], ids=[row[0] for row in LISTS]
)
def test_a_list_may_become_what_the_table_says(
    old: Any, new: Any, before: Any, permitted: list[Any], refused: list[Any]
) -> None:
    assert all(may(spec(old), spec(new), before, after) for after in permitted)
    assert not any(may(spec(old), spec(new), before, after) for after in refused)


def test_an_object_changes_property_by_property() -> None:
    old = {"type": "object", "properties": {"kind": AB, "level": LEVEL}, "required": ["kind"]}
    new = {"type": "object", "properties": {"kind": ABC, "level": LEVEL}, "required": ["kind"]}
    before = {"kind": "a", "level": 1}
    assert may(spec(old), spec(new), before, {"kind": "c", "level": 1})
    assert not may(spec(old), spec(new), before, {"kind": "b", "level": 1})
    assert not may(spec(old), spec(new), before, {"kind": "a", "level": 2})
    assert not may(spec(old), spec(new), before, {"kind": "a"})


def test_a_claim_that_a_scope_releases_is_there_only_with_it() -> None:
    step = spec(AB), spec(AB)
    assert may(*step, "a", "a")
    assert not may(*step, "a", "a", released=(False, True))
    assert may(*step, ABSENT, "b", released=(False, True))
    assert may(*step, "a", ABSENT, released=(True, False))
    assert may(*step, ABSENT, ABSENT, released=(False, False))
    assert not may(*step, ABSENT, "a", released=(False, False))


BASE: dict[str, Any] = {
    **SHOP,
    "claims": {
        "role": {"required": True, "schema": {"enum": ["user", "admin"]}},
        "level": {"schema": {"type": "integer", "minimum": 0, "maximum": 3}},
    },
    "scopes": {"read": {"claims": []}, "write": {"claims": ["level"]}},
}


def contract(**changes: Any) -> Contract:
    return parse_contract(yaml.safe_dump(copy.deepcopy(BASE) | changes), Path("x.yaml"), named=False)


def test_scopes_change_as_the_values_of_a_list() -> None:
    new = contract(scopes={"read": {"claims": []}, "ops": {"claims": []}})
    old = contract()
    assert related_scopes(old, new, frozenset({"read", "write"}), frozenset({"read"}))
    assert related_scopes(old, new, frozenset({"read"}), frozenset({"read", "ops"}))
    assert related_scopes(old, new, frozenset({"read"}), frozenset({"ops"}))
    assert not related_scopes(old, new, frozenset({"write"}), frozenset({"read"}))
    assert not related_scopes(old, new, frozenset({"read"}), frozenset())
    assert not related_scopes(old, new, frozenset(), frozenset({"write"}))


def test_a_renamed_claim_keeps_its_value_only_with_the_link() -> None:
    def after(**extra: Any) -> Contract:
        return contract(claims={"rank": {"required": True, "schema": {"enum": ["user", "admin"]}, **extra}}, scopes={})

    before = frozenset[str](), {"role": "user"}
    old = contract(claims={"role": BASE["claims"]["role"]}, scopes={})
    linked, loose = after(renamed_from="role"), after()
    assert related(old, linked, before, (frozenset(), {"rank": "user"}))
    assert not related(old, linked, before, (frozenset(), {"rank": "admin"}))
    assert related(old, loose, before, (frozenset(), {"rank": "admin"}))


TOKENS = st.builds(
    lambda role, level, scopes: (
        frozenset(scopes),
        {"role": role, **({"level": level} if level is not None and "write" in scopes else {})},
    ),
    st.sampled_from(["user", "admin"]),
    st.none() | st.integers(0, 3),
    st.sets(st.sampled_from(["read", "write"])),
)


@given(TOKENS, TOKENS)
def test_without_a_change_a_token_is_related_to_itself_alone(one: Any, other: Any) -> None:
    """Law: the relation of a contract with itself is equality."""
    same_contract = contract()
    assert related(same_contract, same_contract, one, one)
    assert related(same_contract, same_contract, one, other) is (one == other)


SCHEMAS = st.sampled_from([AB, ABC, BC, LEVEL, WIDER, words("a", 1), {"type": "boolean"}, many("a"), many("a", "b")])
PERMITTED = [*TRIED[:-1], True, False, [], ["a"], ["b"], ["a", "b"], ["b", "a"]]


@given(SCHEMAS, SCHEMAS, st.booleans(), st.booleans())
def test_every_permitted_value_has_a_successor_and_a_kept_value_may_stay(
    one: Any, other: Any, required: bool, still: bool
) -> None:
    """Laws: no one is left without a token; what both contracts permit is always among what may come."""
    old, new = spec(one, required), spec(other, still)
    tried = [*PERMITTED, ABSENT]
    for before in tried:
        holds = not required if before is ABSENT else conforms(one, before)
        if not holds:
            assert not any(may(old, new, before, after) for after in tried)
            continue
        successors = [after for after in tried if may(old, new, before, after)]
        assert successors
        assert all(not still if after is ABSENT else conforms(other, after) for after in successors)
        if before is not ABSENT and conforms(other, before):
            assert may(old, new, before, before)


def read(schema: dict[str, Any], *, required: bool = True, **how: Any) -> ClaimSpec:
    return ClaimSpec("c", schema, required, "internal", ("access_token",), "", "", Extraction(**how))


@pytest.mark.parametrize(
    "how",
    [
        {"source": ("x", "c")},
        {"introspection_source": ("x",)},
        {"as_set": True},
        {"words": True},
        {"member": "value"},
        {"empty_if_absent": True},
        {"overage": ("hasgroups",)},
    ],
    ids=str,
)
def test_of_a_claim_that_is_read_otherwise_nothing_is_known_to_stay(how: dict[str, Any]) -> None:
    listed = many("a", "b")
    for old, new in ((read(listed), read(listed, **how)), (read(listed, **how), read(listed))):
        assert may(old, new, ["a"], ["b"])
        assert may(old, new, ["a"], ["a", "b"])
    assert not may(read(listed, **how), read(listed, **how), ["a"], ["b"])


def test_a_source_that_is_the_claims_own_name_is_none() -> None:
    assert not may(read(AB), read(AB, source=("c",)), "a", "b")
    assert not ClaimStep("c", "c", read(AB), read(AB, source=("c",))).reread


def test_a_claim_that_is_read_under_its_old_name_still_is_the_same() -> None:
    old = read(AB)
    new = dataclasses.replace(read(AB, source=("c",)), name="d")
    other = dataclasses.replace(read(AB, source=("e",)), name="d")
    assert not related_claim(ClaimStep("c", "d", old, new), "a", "b", released=HERE)
    assert related_claim(ClaimStep("c", "d", old, other), "a", "b", released=HERE)
    assert not related_claim(ClaimStep("c", "d", old, dataclasses.replace(old, name="d")), "a", "b", released=HERE)


def test_a_list_of_which_more_is_ignored_loses_items_and_gains_none() -> None:
    old, new = read(many("a", "b")), read(many("a", "b"), ignored=("own",))
    assert all(may(old, new, ["a", "b"], after) for after in (["a", "b"], ["a"], ["b"], []))
    assert not may(old, new, ["a"], ["b"])
    assert not may(old, new, ["a"], ["a", "b"])
    assert not may(new, old, ["a", "b"], ["a"])


def test_a_list_that_must_not_be_empty_is_refilled_where_more_is_ignored() -> None:
    assert may(read(many("a", "b", minItems=1)), read(many("a", "b", minItems=1), ignored=("own",)), ["a"], ["b"])


def test_a_claim_that_is_empty_where_it_is_absent_is_always_there() -> None:
    optional = read(many("a"), required=False, empty_if_absent=True)
    seen = in_access_token(optional)
    assert seen is not None
    assert seen.required
    assert not may(seen, seen, [], ABSENT)
