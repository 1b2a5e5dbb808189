"""C9: a subject that only looks like another one is another one, to the real policy, the cache and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import RunningService
    from tests.wire.conftest import Wire

TWINS = {
    "full width": ("admin", "\uff41dmin"),
    "Cyrillic": ("admin", "\u0430dmin"),
    "ligature": ("office", "o\ufb03ce"),
    "NFD": ("caf\u00e9", "cafe\u0301"),
    "dotted I": ("i", "\u0130"),
    "dotless i": ("i", "\u0131"),
    "sharp s": ("strasse", "stra\u00dfe"),
    "Kelvin sign": ("K", "\u212a"),
    "case": ("admin", "Admin"),
    "blank behind": ("admin", "admin "),
    "zero-width joiner": ("admin", "ad\u200dmin"),
    "hard hyphen": ("a-b", "a\u2010b"),
    "soft hyphen": ("ab", "a\u00adb"),
    "right to left": ("admin", "\u202eadmin"),
    "line separator": ("admin", "admin\u2028"),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_is_another_subject(service: RunningService, wire: Wire, name: str) -> None:
    before = len(service.rows())
    claims = {"tenant": "t_1", "roles": ["agent"], "suspended": False}
    pair = TWINS[name]
    tokens = {subject: wire.token_of(subject, claims=claims, scopes=["orders:write"]) for subject in pair}
    for subject in pair:
        for owner in pair:
            properties = {"tenant": "t_1", "owner": owner}
            body = wire.body(action="update", resource={"type": "order", "id": "1", "properties": properties})
            reply = service.one(wire.ask(body=body, bearer=f"Authorization: Bearer {tokens[subject]}".encode()))
            assert reply.allows == (subject == owner), (subject, owner)
    assert [row["subject"] for row in service.rows()[before:]] == [pair[0]] * 2 + [pair[1]] * 2


@pytest.mark.parametrize("role", ["\uff41gent", "Agent", "agent ", "\u0430gent", "a\u200dgent"])
def test_a_twin_of_a_permitted_value_is_a_violation(service: RunningService, wire: Wire, role: str) -> None:
    token = wire.token_of("u_1", claims={"tenant": "t_1", "roles": [role], "suspended": False})
    reply = service.one(wire.ask(bearer=f"Authorization: Bearer {token}".encode()))
    assert (reply.status, reply.json()["reasons"]) == (200, ["contract_violated"])
