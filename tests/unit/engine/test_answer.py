"""Only the JSON literal `true`, at its place in a well-formed answer, allows (P1, P2, P3, P5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entitlements.answer_shape import AnswerShape
from entitlements.engine import answer, read_answer
from entitlements.engine.answer import read_answer_again
from entitlements.errors import EngineUnavailable

PROVENANCE = '"provenance": {"version": "1.22.2", "bundles": {"policies": {"revision": "r1"}}}'


def body(result: str) -> bytes:
    return f'{{{PROVENANCE}, "result": {result}}}'.encode()


def refused(answer: bytes) -> str:
    with pytest.raises(EngineUnavailable) as caught:
        read_answer(answer)
    assert caught.value.message[0].islower()
    return caught.value.code


@pytest.mark.parametrize(
    "result",
    ["true", '{"allow": true}', '{"allow": true, "reasons": [], "obligations": []}', ' {"allow" :\ttrue}\n'],
)
def test_the_literal_true_allows(result: str) -> None:
    verdict = read_answer(body(result))
    assert verdict.allow is True
    assert (verdict.reasons, verdict.obligations, verdict.revision) == ((), (), "r1")


@pytest.mark.parametrize("result", ["false", '{"allow": false}', '{"allow": false, "reasons": []}'])
def test_the_literal_false_denies_without_a_reason_of_ours(result: str) -> None:
    verdict = read_answer(body(result))
    assert (verdict.allow, verdict.reasons) == (False, ())


def test_reasons_and_obligations_are_kept_in_order_of_their_codes() -> None:
    verdict = read_answer(
        body('{"allow": false, "reasons": ["b", "a_1"], "obligations": [{"id": "y", "n": 1}, {"id": "x"}]}')
    )
    assert verdict.reasons == ("a_1", "b")
    assert verdict.obligations == ({"id": "x"}, {"id": "y", "n": 1})


def test_an_undefined_decision_is_denied_as_policy_undefined() -> None:
    """P1."""
    verdict = read_answer(f"{{{PROVENANCE}}}".encode())
    assert (verdict.allow, verdict.reasons, verdict.revision) == (False, ("policy_undefined",), "r1")


def test_an_empty_answer_object_is_no_verdict() -> None:
    """P1: `{}` without provenance names no policy."""
    assert refused(b"{}") == "policy_revision_unknown"


NOT_TRUE = [
    "null",
    '"true"',
    '"allow"',
    "1",
    "1.0",
    "1e0",
    "-1",
    "[]",
    "[true]",
    "[[true]]",
    "{}",
    '{"allow": "true"}',
    '{"allow": 1}',
    '{"allow": 1.0}',
    '{"allow": null}',
    '{"allow": [true]}',
    '{"allow": {"allow": true}}',
    '{"Allow": true}',
    '{"ALLOW": true}',
    '{"allow ": true}',
    '{"\\u0430llow": true}',
    '{"decision": true}',
    '{"result": true}',
    '{"allow": true, "deny": true}',
    '{"allow": true, "deny": false}',
    '{"allow": true, "Allow": false}',
    '{"allow": true, "": 0}',
    '{"reasons": [], "obligations": []}',
    '{"allow": true, "reasons": null}',
    '{"allow": true, "reasons": "none"}',
    '{"allow": true, "reasons": {}}',
    '{"allow": true, "reasons": {"a": true}}',
    '{"allow": true, "reasons": [1]}',
    '{"allow": true, "reasons": [null]}',
    '{"allow": true, "reasons": [["a"]]}',
    '{"allow": true, "reasons": ["a", true]}',
    '{"allow": true, "reasons": ["Not A Code"]}',
    '{"allow": true, "reasons": ["a\\n"]}',
    '{"allow": true, "reasons": [""]}',
    '{"allow": true, "obligations": null}',
    '{"allow": true, "obligations": {}}',
    '{"allow": true, "obligations": ["log"]}',
    '{"allow": true, "obligations": [{}]}',
    '{"allow": true, "obligations": [{"id": 1}]}',
    '{"allow": true, "obligations": [{"id": "a"}, 1]}',
    json.dumps({"allow": True, "reasons": [f"r{n}" for n in range(33)]}),
    json.dumps({"allow": True, "reasons": ["r" * 65]}),
    json.dumps({"allow": True, "obligations": [{"id": f"o{n}"} for n in range(17)]}),
]


@pytest.mark.parametrize("result", NOT_TRUE, ids=lambda text: f"P2-{text[:60]}")
def test_a_decision_of_another_shape_is_denied_as_policy_error(result: str) -> None:
    verdict = read_answer(body(result))
    assert (verdict.allow, verdict.reasons, verdict.obligations) == (False, ("policy_error",), ())


def test_as_many_reasons_and_obligations_as_are_bounded_are_kept() -> None:
    most = {"allow": True, "reasons": [f"r{n}" for n in range(32)], "obligations": [{"id": str(n)} for n in range(16)]}
    verdict = read_answer(body(json.dumps(most)))
    assert verdict.allow is True
    assert (len(verdict.reasons), len(verdict.obligations)) == (32, 16)


ALLOW = body("true")
NO_ANSWER = {
    "empty": b"",
    "blank": b" \n",
    "null": b"null",
    "a bare true": b"true",
    "a list": b"[" + ALLOW + b"]",
    "a string": json.dumps(ALLOW.decode()).encode(),
    "html": b"<!doctype html><html><body>true</body></html>",
    "byte order mark": b"\xef\xbb\xbf" + ALLOW,
    "utf-16": ALLOW.decode().encode("utf-16"),
    "utf-16-le": ALLOW.decode().encode("utf-16-le"),
    "utf-32": ALLOW.decode().encode("utf-32"),
    "bad utf-8": ALLOW.replace(b"r1", b"r\xff"),
    "overlong utf-8": ALLOW.replace(b"r1", b"r\xc0\xaf"),
    "gzip": b"\x1f\x8b\x08\x00" + ALLOW,
    "two documents": ALLOW + ALLOW,
    "two documents, a line each": ALLOW + b"\n" + body("false"),
    "trailing text": ALLOW + b"x",
    "trailing nul": ALLOW + b"\0",
    "leading text": b")]}'," + ALLOW,
    "comment": b"/* */" + ALLOW,
    "trailing comma": ALLOW[:-1] + b",}",
    "single quotes": ALLOW.replace(b'"', b"'"),
    "duplicate result, first allows": ALLOW[:-1] + b', "result": false}',
    "duplicate result, last allows": body("false")[:-1] + b', "result": true}',
    "duplicate result, escaped": body("false")[:-1] + b', "\\u0072esult": true}',
    "duplicate allow": body('{"allow": false, "allow": true}'),
    "duplicate allow, same value": body('{"allow": true, "allow": true}'),
    "duplicate provenance": ALLOW[:-1] + f", {PROVENANCE}}}".encode(),
    "NaN": body('{"allow": true, "obligations": [{"id": "a", "n": NaN}]}'),
    "Infinity": body("Infinity"),
    "-Infinity": body("-Infinity"),
    "1e400": body("1e400"),
    "5,000 digits": body("1" * 5000),
    "True": body("True"),
    "TRUE": body("TRUE"),
    "undefined": body("undefined"),
    "lone surrogate": body('{"allow": true, "obligations": [{"id": "\\ud800"}]}'),
    "raw control byte": body('{"allow": true, "obligations": [{"id": "\n"}]}'),
    "depth": body("[" * 20_000 + "]" * 20_000),
    "depth just above the bound": body("[" * 32 + "]" * 32),
    "depth unclosed": body("[" * 100_000),
}


@pytest.mark.parametrize("answer", NO_ANSWER.values(), ids=[f"P3-{name}" for name in NO_ANSWER])
def test_an_answer_that_is_no_strict_json_object_is_engine_answer_invalid(answer: bytes) -> None:
    assert refused(answer) == "engine_answer_invalid"


@pytest.mark.parametrize("length", range(len(ALLOW)))
def test_no_beginning_of_an_allow_is_a_verdict(length: int) -> None:
    """P3, truncated."""
    assert refused(ALLOW[:length]) == "engine_answer_invalid"


@pytest.mark.parametrize(
    "member",
    [
        '"warning": {"code": "api_usage_warning", "message": "\'input\' key missing from the request"}',
        '"code": "internal_error", "message": "error(s) occurred while evaluating query"',
        '"errors": [{"code": "eval_builtin_error"}]',
        '"Result": false',
        '"decision": false',
    ],
)
def test_an_allow_beside_a_warning_or_an_error_is_engine_answer_invalid(member: str) -> None:
    """P2: the engine warns, for one, that it has evaluated the policy without the input."""
    assert refused(ALLOW[:-1] + f", {member}}}".encode()) == "engine_answer_invalid"


def test_a_decision_id_of_the_engine_is_no_matter() -> None:
    assert read_answer(ALLOW[:-1] + b', "decision_id": "4ca6"}').allow is True


@pytest.mark.parametrize(
    "provenance",
    [
        None,
        True,
        "r1",
        [],
        {},
        {"revision": "r1"},
        {"bundles": None},
        {"bundles": []},
        {"bundles": ["r1"]},
        {"bundles": {}},
        {"bundles": {"a": {}}},
        {"bundles": {"a": "r1"}},
        {"bundles": {"a": {"revision": ""}}},
        {"bundles": {"a": {"revision": None}}},
        {"bundles": {"a": {"revision": 1}}},
        {"bundles": {"a": {"revision": True}}},
        {"bundles": {"a": {"revision": ["r1"]}}},
        {"bundles": {"a": {"revision": "r1"}, "b": {"revision": "r2"}}},
        {"bundles": {"a": {"revision": "r1"}, "b": {"revision": "r1"}}},
        {"bundles": {"a": {"revision": "r1"}, "b": {}}},
        {"bundles": {"a": {"revision": "r1"}, "b": None}},
        {"bundles": {"a": {"revision": "r1"}, "b": "r2"}},
    ],
    ids=lambda value: f"P5-{json.dumps(value)}",
)
def test_an_allow_without_exactly_one_revision_is_policy_revision_unknown(provenance: Any) -> None:
    assert refused(json.dumps({"result": True, "provenance": provenance}).encode()) == "policy_revision_unknown"
    assert refused(b'{"result": true}') == "policy_revision_unknown"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1, 1) | st.sampled_from(["true", "allow", "a", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["allow", "reasons", "obligations", "Allow", "deny", "id"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_whatever_the_result_is_nothing_but_true_in_its_place_allows(result: Any) -> None:
    """P2."""
    verdict = read_answer(body(json.dumps(result)))
    may = result is True or (
        type(result) is dict and result.get("allow") is True and set(result) <= {"allow", "reasons", "obligations"}
    )
    assert verdict.allow is False or may


@given(st.binary(max_size=200))
def test_no_octets_that_are_not_an_answer_give_a_verdict(octets: bytes) -> None:
    """P3."""
    with pytest.raises(EngineUnavailable):
        read_answer(octets)
    with pytest.raises(EngineUnavailable):
        read_answer(ALLOW[:-1] + b"," + octets)


def provenance(**bundles: str | None) -> bytes:
    named = {name: {} if revision is None else {"revision": revision} for name, revision in bundles.items()}
    return json.dumps({"provenance": {"version": "1.22.2", "bundles": named}, "result": True}).encode()


def test_the_lockdown_of_a_server_stands_beside_the_revision_that_decides() -> None:
    verdict = read_answer(provenance(release="sha256:1", system="lockdown:sha256:2"))
    assert (verdict.allow, verdict.revision) == (True, "sha256:1")
    assert read_answer(provenance(a="lockdown:x", b="sha256:1")).revision == "sha256:1"


@pytest.mark.parametrize(
    "bundles",
    [
        {"a": "lockdown:x"},
        {"a": "sha256:1", "b": "sha256:2"},
        {"a": "sha256:1", "b": None},
        {"a": "sha256:1", "b": ""},
        {"a": "sha256:1", "b": "lockdown:x", "c": "lockdown:y"},
        {"a": "sha256:1", "b": "lockdown:x", "c": "sha256:2"},
    ],
)
def test_anything_but_one_revision_beside_one_lockdown_is_no_verdict(bundles: dict[str, str | None]) -> None:
    assert refused(provenance(**bundles)) == "policy_revision_unknown"


def test_the_version_of_opa_is_read_from_the_answer() -> None:
    assert read_answer(body("true")).engine_version == "1.22.2"
    assert read_answer(f"{{{PROVENANCE}}}".encode()).engine_version == "1.22.2"
    for odd in ("", '"version": 1, ', '"version": null, '):
        answer = f'{{"provenance": {{{odd}"bundles": {{"p": {{"revision": "r1"}}}}}}, "result": true}}'
        assert read_answer(answer.encode()).engine_version == ""


def test_answer_that_came_before_is_read_once_and_one_with_obligations_each_time() -> None:
    """What an obligation says of a token or a request is kept by nobody."""
    for result, again in (
        ('{"allow": true, "reasons": ["a"]}', True),
        ('{"allow": true, "obligations": [{"id": "x"}]}', False),
    ):
        first, second = (read_answer_again(body(result)) for _ in range(2))
        assert first == second == read_answer(body(result))
        assert (first is second) is again
    with pytest.raises(EngineUnavailable):
        read_answer_again(b"{")


def test_what_is_not_looked_at_in_an_answer_is_kept_by_nobody() -> None:
    """Neither a member that the contract says to ignore nor an answer that is none may outlive its request."""
    shape = AnswerShape(ignored=frozenset({("headers",)}))
    for result, of in (
        ('{"allow": true, "headers": {"x-user": "alice-1"}}', shape),
        ('{"allow": true, "user": "alice-2"}', answer.PLAIN_ANSWER),
        ('"alice-3"', answer.PLAIN_ANSWER),
    ):
        first, second = (read_answer_again(body(result), of) for _ in range(2))
        assert first == second == read_answer(body(result), of)
    assert not [known for known, _ in answer._KNOWN if b"alice" in known]


def test_answers_that_are_remembered_are_few() -> None:
    for number in range(1000):
        assert read_answer_again(body(f'{{"allow": false, "reasons": ["r{number}"]}}')).reasons == (f"r{number}",)
    assert len(answer._KNOWN) <= 256


NESTED = AnswerShape(
    ("result", "allowed"), ("codes",), ("result", "advice"), frozenset({("headers",), ("result", "by")}), boolean=False
)


@pytest.mark.parametrize(
    ("result", "allow"),
    [
        ('{"result": {"allowed": true}}', True),
        ('{"result": {"allowed": true, "by": [1]}, "headers": {"x": null}}', True),
        ('{"result": {"allowed": false}}', False),
        ("false", False),
    ],
)
def test_the_decision_is_read_where_the_contract_says(result: str, allow: bool) -> None:
    verdict = read_answer(body(result), NESTED)
    assert (verdict.allow, verdict.reasons) == (allow, ())


def test_reasons_and_obligations_are_read_where_the_contract_says() -> None:
    found = read_answer(body('{"result": {"allowed": true, "advice": [{"id": "log"}]}, "codes": ["b", "a"]}'), NESTED)
    assert (found.allow, found.reasons, found.obligations) == (True, ("a", "b"), ({"id": "log"},))


@pytest.mark.parametrize(
    "result",
    [
        "true",
        '{"allow": true}',
        '{"result": true}',
        '{"result": {"allowed": "true"}}',
        '{"result": {"allowed": 1}}',
        '{"result": {"allowed": true, "other": 1}}',
        '{"result": {"allowed": true}, "reasons": []}',
        '{"result": [{"allowed": true}]}',
        '{"result": {"allowed": {"allowed": true}}}',
        '{"result": {"allowed": true}, "codes": "a"}',
        '{"result": {"allowed": true, "advice": [{"of": "log"}]}}',
        '{"result": {}}',
        '{"headers": {}}',
    ],
)
def test_an_answer_of_another_shape_than_the_contract_says_is_an_error(result: str) -> None:
    verdict = read_answer(body(result), NESTED)
    assert (verdict.allow, verdict.reasons) == (False, ("policy_error",))


def test_a_known_answer_is_read_anew_for_another_shape() -> None:
    one = body('{"allow": true}')
    assert read_answer_again(one).allow is True
    assert read_answer_again(one, NESTED).allow is False
    assert read_answer_again(one).allow is True
