"""A sentence says every request that an approval of the witness accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from entitlements.checking.request_words import requests_in_words
from entitlements.checking.words import sentence, sentences
from entitlements.model import JSON, Resource
from entitlements.proof.answer import Witness
from entitlements.proof.grouping import grouped
from entitlements.proof.requests import ANY, LIKE, PERHAPS, Label, RequestKind, one_request
from entitlements.proof.scenario import Scenario, Token

DOC, ANY_ACTION, ANY_TYPE = Label("doc"), Label("fresh-1", ANY), Label("fresh-2", ANY)
PREFIXED = json.dumps(["on_text", "prefix", "app:", ["var", "action.name"]])
SEGMENT = json.dumps(["=", ["const", "app"], ["part", "segment", '[":", 0]', ["var", "action.name"]]])
SAME = json.dumps(["=", ["var", "action.name"], ["var", "resource.type"]])
WORDLESS = json.dumps(["<", ["length", ["var", "action.name"]], ["const", 3]])


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ([one_request("read", "doc")], "`read` a `doc`"),
        ([one_request("read", "item"), one_request("write", "item")], "`read` or `write` an `item`"),
        ([one_request("read", "doc"), one_request("list", "folder")], "`read` a `doc`, or `list` a `folder`"),
        ([RequestKind(ANY_ACTION, ANY_TYPE)], "take any action on a resource of any type"),
        (
            [RequestKind(Label("read"), ANY_TYPE), RequestKind(Label("list"), Label("other", ANY))],
            "`read` or `list` a resource of any type",
        ),
        ([RequestKind(Label("a", ANY, ("a", "b")), DOC)], "take any of the actions `a` and `b` on a `doc`"),
        (
            [RequestKind(Label("read"), Label("doc", ANY, ("doc", "item")))],
            "`read` a resource of any of the types `doc` and `item`",
        ),
        (
            [RequestKind(Label("read"), DOC), RequestKind(Label("x", LIKE, ("list", "read")), DOC)],
            "take `read` or an action such as `x` (any but `list` and `read`) on a `doc`",
        ),
        (
            [RequestKind(Label("app:x", LIKE, (), ((PREFIXED, True), (WORDLESS, True))), DOC)],
            "take an action such as `app:x` (any that the policies read alike: it starts with `app:`) on a `doc`",
        ),
        (
            [RequestKind(Label("app:x", LIKE, (), ((SEGMENT, True), (PREFIXED, False))), DOC)],
            "take an action such as `app:x` (any that the policies read alike: it has `app` as segment 1 at `:`) "
            "on a `doc`",
        ),
        (
            [RequestKind(Label("x", LIKE, (), ((PREFIXED, False),)), DOC)],
            "take an action such as `x` (any that the policies read alike) on a `doc`",
        ),
        (
            [RequestKind(Label("x", LIKE), Label("x", LIKE), ((SAME, True),))],
            "take an action such as `x` (any) on a resource of a type such as `x` (any), any two that the policies "
            "read alike: the action is the same as the type",
        ),
        (
            [RequestKind(Label("x", PERHAPS), Label("y", PERHAPS))],
            "take an action such as `x` (perhaps any, as it was not found out which) on a resource of a type such as "
            "`y` (perhaps any, as it was not found out which)",
        ),
    ],
    ids=[
        *("one", "two-actions", "two-types", "any", "any-type", "any-listed-action", "any-listed-type", "any-but"),
        *("prefix", "segment", "nothing-holds", "both", "not-found-out"),
    ],
)
def test_kinds_of_requests_are_told_in_words(kinds: Sequence[RequestKind], words: str) -> None:
    assert requests_in_words(kinds) == words


def witness(role: str, action: str, **claims: JSON) -> Witness:
    before, after = (Token("u_1", frozenset(), {**claims, "role": one}) for one in ("user", role))
    point = Scenario(before, after, action, Resource("doc", "1", {}), {})
    meaning: Mapping[str, JSON] = {"role": role}
    made = Witness(point, False, ("role",), "grants: a.rego:1 allow", (), (), "", meaning=meaning)
    return made.of_requests([one_request(action, "doc")])


def test_a_witness_of_several_requests_tells_all_of_them() -> None:
    kinds = [one_request(action, "doc") for action in ("read", "write", "close")]
    found = witness("boss", "read").of_requests(kinds)
    assert 'goes from `"user"` to `"boss"`, may now `read`, `write` or `close` a `doc` (denied before)' in sentence(
        found
    )


def test_a_group_tells_every_witness_that_its_approval_accepts() -> None:
    (found,) = grouped([witness(role, action) for role in ("boss", "root") for action in ("read", "write")])
    told = sentences(found)
    assert len(told) == 2
    for line, role in zip(told, ("boss", "root"), strict=True):
        assert f'to `"{role}"`, may now `read` or `write` a `doc`' in line
    assert all(line in sentence(found) for line in told)


def test_witnesses_of_tokens_that_differ_otherwise_have_a_sentence_each() -> None:
    (found,) = grouped([witness("boss", action, team=action) for action in ("read", "write", "list", "close")])
    assert len(sentences(found)) == 4


def test_a_witness_of_any_change_of_a_claim_says_that_its_values_are_an_example() -> None:
    one = witness("boss", "read")
    named = replace(one, meaning={"differences": [["role", "=", '"boss"']]})
    anyhow = replace(one, meaning={"differences": [["role", "=", "*"]]})
    assert 'whose `role` goes from `"user"` to `"boss"`, may now' in sentence(named)
    assert 'whose `role` changes (here from `"user"` to `"boss"`), may now' in sentence(anyhow)
