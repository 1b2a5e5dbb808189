"""RFC 9470: a `step_up` obligation as the challenge that an API hands on."""

from __future__ import annotations

from typing import Any

import pytest

from entitlements.web.step_up import step_up_challenge

HEAD = (
    'Bearer realm="entitlements", error="insufficient_user_authentication", '
    'error_description="a stronger or more recent sign-in is needed"'
)


@pytest.mark.parametrize(
    ("obligations", "parameters"),
    [
        ([{"id": "step_up"}], ""),
        ([{"id": "step_up", "acr_values": "urn:a urn:b"}], ', acr_values="urn:a urn:b"'),
        ([{"id": "step_up", "acr_values": ["urn:a", "urn:b", "urn:a"]}], ', acr_values="urn:a urn:b"'),
        ([{"id": "step_up", "acr_value": "urn:a"}], ', acr_values="urn:a"'),
        ([{"id": "step_up", "properties": {"acr_value": "urn:a", "max_age": 0}}], ', acr_values="urn:a", max_age="0"'),
        ([{"id": "log"}, {"id": "step_up", "max_age": 300}], ', max_age="300"'),
        ([{"id": "step_up", "max_age": 300}, {"id": "step_up", "max_age": 60}], ', max_age="60"'),
    ],
    ids=str,
)
def test_step_up_is_told_as_a_challenge(obligations: list[dict[str, Any]], parameters: str) -> None:
    assert step_up_challenge(obligations, "Bearer") == HEAD + parameters


@pytest.mark.parametrize(
    "value",
    ['a",error="none', "a\\", "a\r\nX: y", "", "ä", "a" * 257, 1, None, True, {"x": 1}, ['a"', 1, ["b"], "\x00"]],
    ids=ascii,
)
def test_value_that_a_header_cannot_hold_is_left_out(value: Any) -> None:
    assert step_up_challenge([{"id": "step_up", "acr_values": value}], "Bearer") == HEAD


@pytest.mark.parametrize("age", [-1, 2**31, 1.5, "60", True, None, [60]], ids=repr)
def test_age_that_is_not_a_number_of_seconds_is_left_out(age: Any) -> None:
    assert step_up_challenge([{"id": "step_up", "max_age": age}], "Bearer") == HEAD


@pytest.mark.parametrize("obligations", [[], [{"id": "log"}], [{}], [{"id": ["step_up"]}]], ids=str)
def test_without_step_up_there_is_no_challenge(obligations: list[dict[str, Any]]) -> None:
    assert step_up_challenge(obligations, "DPoP") == ""


def test_scheme_is_that_of_the_token() -> None:
    assert step_up_challenge([{"id": "step_up"}], "DPoP").startswith('DPoP realm="entitlements", ')
