"""What differs between the tokens of a point."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from entitlements.model import Resource
from entitlements.proof.scenario import Scenario, Token

TOKEN = Token("u_1", frozenset({"read"}), {"n": 1, "role": "a"}, "web")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, ()),
        ({"subject": "u_2"}, ("sub",)),
        ({"client": "cli"}, ("client_id",)),
        ({"scopes": frozenset()}, ("scope",)),
        ({"claims": {"n": True, "role": "a"}}, ("n",)),
        ({"claims": {"n": 1.0, "role": "a"}}, ()),
        ({"claims": {"n": 1}}, ("role",)),
        ({"claims": {"n": 1, "role": None}, "client": "cli"}, ("client_id", "role")),
    ],
    ids=str,
)
def test_every_claim_that_differs_is_named(change: dict[str, Any], named: tuple[str, ...]) -> None:
    for one, other in ((TOKEN, replace(TOKEN, **change)), (replace(TOKEN, **change), TOKEN)):
        assert Scenario(one, other, "read", Resource("item", "1", {}), {}).changed == named
