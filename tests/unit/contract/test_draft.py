"""A draft permits the samples that it was made of, marks what was guessed and holds no personal value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.contract import Contract, DraftHead, conforms, draft, parse_contract

HEAD = DraftHead("documents", "https://login.example.com", "https://documents.example.com", ("ES256",), 3600)


def drafted(*samples: dict[str, Any]) -> Contract:
    return parse_contract(draft(HEAD, samples), Path("documents/1.0.0.yaml"))


def schema_of(*values: Any, name: str = "claim") -> Any:
    return dict(drafted(*({name: value} for value in values)).claims[name].schema)


@pytest.mark.parametrize(
    ("values", "schema"),
    [
        pytest.param([True, False], {"type": "boolean"}, id="boolean"),
        pytest.param([1, 3], {"type": "integer", "minimum": 0, "maximum": 3}, id="integer"),
        pytest.param([-2, 3], {"type": "integer", "minimum": -2, "maximum": 3}, id="negative"),
        pytest.param([1, 2.5], {"type": "number", "minimum": 0, "maximum": 2.5}, id="number"),
        pytest.param(["a", "b", "a", "b"], {"enum": ["a", "b"]}, id="choices_that_repeat"),
        pytest.param(["a", "b", "c"], {"type": "string", "maxLength": 16}, id="texts_that_do_not_repeat"),
        pytest.param(["a b", "a b"], {"type": "string", "maxLength": 16}, id="prose"),
        pytest.param(["x" * 17], {"type": "string", "maxLength": 32}, id="longer_text"),
        pytest.param(
            [["a"], ["a", "b"]],
            {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "maxItems": 2},
            id="list",
        ),
        pytest.param(
            [["a", "a"]], {"type": "array", "items": {"enum": ["a"]}, "maxItems": 2}, id="list_that_repeats_an_item"
        ),
        pytest.param(
            [{"a": 1}, {"a": 1, "b": True}],
            {
                "type": "object",
                "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 1}, "b": {"type": "boolean"}},
                "required": ["a"],
                "additionalProperties": False,
            },
            id="object",
        ),
    ],
)
def test_a_schema_is_taken_from_the_values(values: list[Any], schema: dict[str, Any]) -> None:
    assert schema_of(*values) == schema


def test_an_identifier_is_never_a_choice() -> None:
    assert "enum" not in schema_of("t_1", "t_1", "t_1", name="tenant")
    assert "enum" in schema_of("gold", "gold", "gold", name="plan")


def test_a_claim_that_is_in_every_sample_is_required() -> None:
    claims = drafted({"a": 1, "b": 1}, {"a": 2}).claims
    assert (claims["a"].required, claims["b"].required) == (True, False)


def test_a_claim_that_comes_and_goes_with_a_scope_is_released_by_it() -> None:
    contract = drafted({"a": 1, "b": 1, "scope": "read write"}, {"a": 1, "scope": "read"})
    assert contract.scopes["write"].claims == ("b",)
    assert contract.scopes["read"].claims == ()
    assert contract.claims["b"].required is True


def test_a_claim_that_is_there_without_the_scope_is_not_bound_to_it() -> None:
    contract = drafted({"b": 1, "scope": "read write"}, {"b": 1, "scope": "read"})
    assert contract.scopes["write"].claims == ()


@pytest.mark.parametrize("name", ["email", "phone_number", "givenName", "birthdate", "address", "client_ip_addr"])
def test_personal_data_is_guessed_by_its_name_and_marked(name: str) -> None:
    text = draft(HEAD, [{name: "Zyx1"}, {name: "Zyx1"}])
    assert "sensitivity: pii  # review: guessed by its name" in text
    assert "Zyx1" not in text


@pytest.mark.parametrize(
    "value", ["jane@example.com", "+49 228 123456", ["jane@example.com"], {"x": "jane@example.com"}]
)
def test_personal_data_is_guessed_by_its_values_and_never_written(value: Any) -> None:
    text = draft(HEAD, [{"contact": value}] * 4)
    assert "sensitivity: pii  # review: guessed by its values" in text
    assert "jane" not in text
    assert "228" not in text


def test_a_secret_is_guessed_and_never_written() -> None:
    text = draft(HEAD, [{"api_key": "Zyx1"}] * 4)
    assert "sensitivity: secret" in text
    assert "Zyx1" not in text


def test_what_is_not_guessed_is_not_marked_as_personal() -> None:
    assert drafted({"level": 1, "username_policy": True}).claims["level"].sensitivity == "internal"


def test_a_claim_of_several_types_takes_the_one_most_seen_and_is_marked() -> None:
    text = draft(HEAD, [{"a": 1}, {"a": "x"}, {"a": 2}])
    assert "seen as integer, string; a claim has one type" in text
    assert "schema: {type: integer" in text


@pytest.mark.parametrize("value", [None, [], {}])
def test_a_value_that_says_nothing_is_marked_for_review(value: Any) -> None:
    assert "# review: only " in draft(HEAD, [{"a": value}])
    drafted({"a": value})


@pytest.mark.parametrize("word", ["yes", "no", "on", "null", "1", "a: b", "#", "'", "t_1", "ä"])
def test_no_word_of_a_sample_is_misread(word: str) -> None:
    schema = drafted({"plan": [word]}).claims["plan"].schema
    assert conforms(schema, [word])


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "count": st.integers(1 - 2**53, 2**53 - 1),
    "share": st.floats(-1e15, 1e15),
    "word": st.text(max_size=40).filter(lambda text: text.isprintable()),
    "words": st.lists(st.text(max_size=12).filter(lambda text: text.isprintable()), max_size=6),
    "numbers": st.lists(st.integers(-9, 9), max_size=6),
    "thing": st.fixed_dictionaries({"a": st.integers(0, 9)}, optional={"b": st.booleans()}),
    "email": st.emails(),
}


@given(st.lists(st.fixed_dictionaries({}, optional=VALUES), min_size=1, max_size=8))
def test_a_draft_loads_and_permits_every_sample(samples: list[dict[str, Any]]) -> None:
    samples = [{**sample, "always": True} for sample in samples]
    claims = drafted(*samples).claims
    for sample in samples:
        for name, value in sample.items():
            if name != "email":  # what is an e-mail address to the format is narrower than what looks like one
                assert conforms(claims[name].schema, value), json.dumps(value)
        assert {name for name, claim in claims.items() if claim.required} <= sample.keys()


@pytest.mark.parametrize(
    ("samples", "word"),
    [
        ([{"cnf": {"jkt": "x"}}, {"cnf": {"x5t#S256": "y"}}], "required"),
        ([{"cnf": {"jkt": "x"}}, {"level": 1}], "permitted"),
        ([{"level": 1}], "refused"),
    ],
    ids=["all", "some", "none"],
)
def test_bound_samples_say_what_the_contract_permits(samples: list[dict[str, Any]], word: str) -> None:
    contract = drafted(*samples, {**samples[0], "plan": "free"})
    assert contract.profile.sender_constrained == word
    assert "cnf" not in contract.claims
