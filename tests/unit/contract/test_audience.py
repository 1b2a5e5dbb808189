"""Which API a silent caller is taken for: the default, the only one, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.contract import Catalog, asked_audience, check_default, load_catalog
from entitlements.errors import RequestInvalid, StartupFault

ORDERS, PAYMENTS, NOWHERE = (f"https://{name}.example.com" for name in ("orders", "payments", "nowhere"))
BOTH = load_catalog(Path(__file__).resolve().parents[3] / "contracts")
ONE = Catalog({ORDERS: BOTH.candidates(ORDERS)}, BOTH.lock)


def silent(catalog: Catalog, default: str) -> str | RequestInvalid:
    return asked_audience(catalog, audience=None, contract=None, default=default)


@pytest.mark.parametrize(
    ("catalog", "default", "audience"),
    [(ONE, "", ORDERS), (ONE, ORDERS, ORDERS), (BOTH, ORDERS, ORDERS), (BOTH, PAYMENTS, PAYMENTS)],
    ids=["only one", "only one, named", "first of two", "second of two"],
)
def test_silence_means_the_default_or_the_only_audience(catalog: Catalog, default: str, audience: str) -> None:
    assert silent(catalog, default) == audience
    check_default(catalog, default)


@pytest.mark.parametrize(
    ("catalog", "default"),
    [(BOTH, ""), (BOTH, NOWHERE), (ONE, PAYMENTS)],
    ids=["two and no default", "a default that is not pinned", "only one and another default"],
)
def test_silence_that_means_no_pinned_audience_is_refused(catalog: Catalog, default: str) -> None:
    """Also where one audience is left: it need not be the one that silence meant."""
    with pytest.raises(RequestInvalid) as refused:
        silent(catalog, default)
    assert refused.value.code == "audience_required"
    if default:
        with pytest.raises(StartupFault) as unknown:
            check_default(catalog, default)
        assert unknown.value.code == "default_audience_unknown"
