"""The contract that the tests of proofs ask about: what they have in common, without claims and requests."""

from __future__ import annotations

from typing import Any, Final

SHOP: Final[dict[str, Any]] = {
    "contract": "shop",
    "version": "1.0.0",
    "issuer": "https://login.example.com",
    "audience": "https://shop.example.com",
    "policy": {"package": "shop.authz", "rule": "allow"},
    "tokens": {"access_token": {"profile": "rfc9068", "algorithms": ["ES256"], "max_lifetime": 600}},
}
