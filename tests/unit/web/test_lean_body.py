"""The lean reader of a body and marshmallow: whatever the first accepts, the second loads to the same objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from entitlements import strict_json
from entitlements.errors import JSONRefused
from entitlements.web.lean_body import MAX_LEAN_BODY, read_lean
from entitlements.web.schemas import AUTHORIZE

GOOD: dict[str, Any] = {"action": "read", "resource": {"type": "order", "id": "42"}}
# Near every border of the schema: what is permitted, and what is just not.
_CHARACTERS = ("\u2028", "\ud7ff", "\U0001f600", "é", "time", "name", "null", "1.0")
EDGES = st.sampled_from(
    [
        "",
        " ",
        "a",
        "a" * 255,
        "a" * 256,
        "a" * 1024,
        "a" * 1025,
        "\x1f",
        "\x7f",
        "\x9f",
        "\xa0",
        "a\n",
        "\n",
        "\0",
        *_CHARACTERS,
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    EDGES,
    st.text(st.characters(codec="utf-8"), max_size=8),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(EDGES, inner, max_size=3), max_leaves=6
)
OBJECTS = st.dictionaries(EDGES, VALUES, max_size=3) | VALUES


def some_of(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


ACTION = EDGES | some_of(name=EDGES | SCALARS, properties=OBJECTS, other=VALUES) | VALUES
RESOURCE = some_of(type=EDGES, id=EDGES | SCALARS, properties=OBJECTS, other=VALUES) | VALUES
GOOD_RESOURCE = st.fixed_dictionaries({"type": EDGES, "id": EDGES}, optional={"properties": OBJECTS})
BODIES = st.one_of(
    st.fixed_dictionaries(
        {"action": ACTION, "resource": GOOD_RESOURCE | RESOURCE},
        optional={"context": OBJECTS, "audience": EDGES | SCALARS, "proof": VALUES, "subject": VALUES},
    ),
    st.fixed_dictionaries({"action": EDGES, "resource": GOOD_RESOURCE}, optional={"context": OBJECTS}),
    VALUES,
)


def loaded(body: bytes) -> Any:
    """What the ordinary route reads, or None for what it refuses."""
    try:
        return AUTHORIZE.load(strict_json.loads(body))  # type: ignore[arg-type]
    except (JSONRefused, ValidationError):
        return None


def compare(body: bytes) -> bool:
    """Whether the lean reader takes the body; what it takes is what marshmallow loads, type by type."""
    found = read_lean(body)
    if found is None:
        return False
    wanted = loaded(body)
    assert wanted is not None
    assert wanted["proof"] is None
    for name in ("action", "resource", "context", "audience"):
        assert repr(getattr(found, name)) == repr(wanted[name])
    return True


@settings(max_examples=120)
@given(BODIES, st.booleans())
def test_whatever_is_accepted_is_loaded_to_the_same_objects(document: Any, ascii_only: bool) -> None:
    compare(json.dumps(document, ensure_ascii=ascii_only).encode())


@settings(max_examples=120)
@given(BODIES, st.data())
def test_whatever_is_accepted_of_altered_octets_is_loaded_to_the_same_objects(document: Any, data: Any) -> None:
    octets = bytearray(json.dumps(document).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(octets)))
        octets[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b'"', b"\\", b"{", b"}", b",", b"\\u0000", b"\xff", b"\x00", b" ", b"1e400", b"NaN"])
        )
    compare(bytes(octets))


ACCEPTED: dict[str, bytes] = {
    "the least": b'{"action":"read","resource":{"type":"order","id":"42"}}',
    "all members": b'{"action":{"name":"read","properties":{"a":[1,null]}},"context":{"b":{}},"audience":"a",'
    b'"resource":{"type":"order","id":"42","properties":{"c":1.5}}}',
    "the longest names": json.dumps(
        {"action": "a" * 255, "resource": {"type": "a" * 255, "id": "a" * 1024}, "audience": "a" * 1024}
    ).encode(),
    "escapes": rb'{"action":"\u0041","resource":{"type":"\ud83d\ude00","id":"\u2028"}}',
    "whitespace around": b' \n{"action":"read","resource":{"type":"order","id":"42"}}\t',
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_plain_body_is_accepted(name: str) -> None:
    assert compare(ACCEPTED[name])


def test_body_that_could_hold_up_the_loop_is_declined() -> None:
    body = json.dumps({**GOOD, "context": {"a": "x" * MAX_LEAN_BODY}}).encode()
    assert loaded(body) is not None
    assert read_lean(body) is None
