"""Names of variables: no claim shares one with the request, and no two paths are one."""

from __future__ import annotations

import pytest

from entitlements.proof.symbolic.inputs.names import claim_name, of_request, part_name


@pytest.mark.parametrize("name", ["resource", "resource.item.tags", "action", "context", "scope orders"])
def test_a_claim_is_never_named_like_a_part_of_the_request(name: str) -> None:
    assert claim_name(name) != name
    assert not of_request(claim_name(name) + "[0]")


def test_two_paths_have_two_names() -> None:
    assert f"{claim_name('a')}.{part_name('b')}" != claim_name("a.b")


def test_lists_of_the_request_are_told() -> None:
    assert [of_request(one) for one in ("resource.item.tags", "context.tags", "groups")] == [True, True, False]
