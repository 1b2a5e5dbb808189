"""The page about contracts: its example loads, and it names every member, keyword, format and algorithm."""

from __future__ import annotations

import re
from pathlib import Path

from entitlements.algorithms import SUPPORTED_ALGORITHMS
from entitlements.contract import parse_contract, shape
from entitlements.contract.keywords import KEYWORDS, Keyword
from entitlements.contract.schema_subset import FORMATS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "contracts.md").read_text()


def example(number: int) -> str:
    return re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)[number]


def test_the_example_is_a_sound_contract() -> None:
    assert parse_contract(example(0), Path("orders/1.0.0.yaml")).claims.keys() == {"tenant"}


def test_the_example_of_a_claim_that_stands_deeper_is_one_of_a_sound_contract() -> None:
    text = example(0).replace("claims:\n", "claims:\n" + example(1), 1)
    roles = parse_contract(text, Path("orders/1.0.0.yaml")).claims["roles"]
    assert roles.extraction.path("roles") == ("realm_access", "roles")


def test_every_member_keyword_and_name_is_there() -> None:
    names = {*shape.ContractShape().fields, *shape.ClaimShape().fields, *shape.AccessTokenShape().fields}
    for name in {*names, *KEYWORDS, *FORMATS, *SUPPORTED_ALGORITHMS, *shape.TOKEN_KINDS, *shape.SENSITIVITIES}:
        assert re.search(rf"\b{re.escape(name)}\b", PAGE), name


def test_every_keyword_has_its_row() -> None:
    table = PAGE.split("| Keyword | Speaks of |")[1].split("\n\n")[0].splitlines()[2:]
    assert table == [row(keyword) for keyword in KEYWORDS.values()]


def row(keyword: Keyword) -> str:
    types = ", ".join(f"`{one}`" for one in keyword.types) or "any type"
    code = f"`{keyword.code}`" if keyword.code else "never" if keyword.annotation else "by its parts"
    rules = ", ".join(f"`{one}`" for one in keyword.rules)
    return (
        f"| `{keyword.name}` | {types} | {code} | {rules or ('none' if keyword.annotation else 'those of its parts')} |"
    )
