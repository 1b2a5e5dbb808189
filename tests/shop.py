"""The contract of many tests: what they have in common, without claims and requests, as a document and as its text."""

from __future__ import annotations

from typing import Any, Final

import yaml


def shop_contract(rest: str, *, rule: str) -> str:
    """A contract to be formatted with its `version`. rest: the claims and what follows; rule: the one that decides."""
    return (
        "contract: shop\n"
        "version: {version}\n"
        "issuer: https://login.example.com\n"
        "audience: https://shop.example.com\n"
        f"policy: {{{{package: shop.authz, rule: {rule}}}}}\n"
        "tokens:\n"
        "  access_token: {{profile: rfc9068, algorithms: [ES256], max_lifetime: 600}}\n" + rest
    )


SHOP: Final[dict[str, Any]] = yaml.safe_load(shop_contract("", rule="allow").format(version="1.0.0"))
