"""The page about contracts: its example loads, and it names every member, keyword, format and algorithm."""

from __future__ import annotations

import re
from pathlib import Path

from entitlements.contract import load_contract, shape
from entitlements.contract.schema_subset import _ANY_TYPE, _BY_TYPE, FORMATS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "contracts.md").read_text()


def test_the_example_is_a_sound_contract(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
    file = tmp_path / "orders" / "1.0.0.yaml"
    file.parent.mkdir()
    file.write_text(example)
    assert load_contract(file).claims.keys() == {"tenant"}


def test_every_member_keyword_and_name_is_there() -> None:
    names = {*shape.ContractShape().fields, *shape.ClaimShape().fields, *shape.AccessTokenShape().fields}
    keywords = _ANY_TYPE.union(*_BY_TYPE.values())
    for name in {*names, *keywords, *FORMATS, *shape.ALGORITHMS, *shape.TOKEN_KINDS, *shape.SENSITIVITIES}:
        assert re.search(rf"\b{re.escape(name)}\b", PAGE), name
