"""Whose token: the caller names its API by its audience or its contract, and learns no names before a token holds."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from entitlements.token import generate_key, mint
from tests.wire.conftest import GOOD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Reply, RunningService, StartService
    from tests.wire.conftest import Wire

ORDERS, PAYMENTS, NOWHERE = (f"https://{name}.example.com" for name in ("orders", "payments", "nowhere"))
SILENT = json.dumps({name: value for name, value in GOOD.items() if name != "audience"}).encode()


def ask(
    service: RunningService, wire: Wire, path: str | None, audience: str | None, bearer: bytes | None = None
) -> Reply:
    """Ask about an order. path: the contract that the address names; audience: the one that the body names."""
    first = f"POST /authorize{'' if path is None else f'/{path}'} HTTP/1.1".encode()
    return service.one(
        wire.ask(first=first, body=SILENT if audience is None else wire.body(audience=audience), bearer=bearer)
    )


@pytest.mark.parametrize(("path", "audience"), [(None, ORDERS), ("orders", None), ("orders", ORDERS)])
def test_a_caller_names_its_api_by_audience_contract_or_both(
    service: RunningService, wire: Wire, path: str | None, audience: str | None
) -> None:
    reply = ask(service, wire, path, audience)
    assert reply.allows
    assert reply.json()["contract"]["name"] == "orders"
    assert service.rows()[-1]["audience"] == ORDERS
    assert service.rows()[-1]["issuer"] == wire.contract.profile.issuer


@pytest.mark.parametrize(("path", "audience"), [(None, PAYMENTS), ("payments", None), ("payments", PAYMENTS)])
def test_a_token_for_another_api_than_the_one_that_asks_is_refused(
    service: RunningService, wire: Wire, path: str | None, audience: str | None
) -> None:
    reply = ask(service, wire, path, audience)
    assert (reply.status, reply.json()["decision"]) == (401, False)
    row = service.rows()[-1]
    assert (row["effect"], row["refusal"], row["audience"]) == ("reject", "audience_mismatch", PAYMENTS)


@pytest.mark.parametrize(
    ("path", "audience", "code"),
    [
        ("payments", ORDERS, "audience_conflict"),
        ("orders", PAYMENTS, "audience_conflict"),
        ("nowhere", ORDERS, "audience_unknown"),
        ("orders", NOWHERE, "audience_unknown"),
        ("nowhere", None, "audience_unknown"),
        ("Orders", None, "audience_unknown"),
        (None, NOWHERE, "audience_unknown"),
        (None, ORDERS + "/", "audience_unknown"),
        (None, ORDERS.upper(), "audience_unknown"),
        (None, "orders", "audience_unknown"),
        (None, None, "audience_required"),
    ],
)
def test_names_that_lead_to_no_api_are_told_to_who_holds_a_token(
    service: RunningService, wire: Wire, path: str | None, audience: str | None, code: str
) -> None:
    before = len(service.rows())
    reply = ask(service, wire, path, audience)
    assert (reply.status, reply.json()["code"], [*reply.json()["details"]]) == (400, code, ["audience"])
    assert "decision" not in reply.json()
    assert len(service.rows()) == before


@pytest.mark.parametrize("path", ["", "orders/", "orders/x", "%6frders", "orders;x", "../authorize/orders", "/orders"])
def test_another_spelling_of_the_address_names_no_contract(service: RunningService, wire: Wire, path: str) -> None:
    assert ask(service, wire, path, None).status in (400, 404)
    assert not ask(service, wire, path, None).allows


def refused_bearers(wire: Wire) -> dict[str, bytes]:
    """Credentials that hold for no pinned audience, each in its own way."""
    foreign = generate_key("ES256", wire.issuer.keys["ES256"].kid)
    now = int(time.time())
    registered = {"iss": wire.contract.profile.issuer, "aud": ORDERS, "sub": "u", "client_id": "c", "jti": "j"}
    times = {"iat": now, "exp": now + 300}
    return {
        "none": b"",
        "junk": b"Authorization: Bearer junk",
        "three parts": b"Authorization: Bearer e30.e30.e30",
        "foreign key": b"Authorization: Bearer " + mint(foreign, {**registered, **times}).encode(),
        **{
            name: b"Authorization: Bearer " + wire.token_of("u_1", **options).encode()
            for name, options in {
                "expired": {"changes": {"iat": now - 900, "exp": now - 300}},
                "for nowhere": {"changes": {"aud": NOWHERE}},
                "for nowhere and expired": {"changes": {"aud": NOWHERE, "iat": now - 900, "exp": now - 300}},
                "lives too long": {"lifetime": 90_000},
                "ID token": {"typ": "JWT"},
                "other issuer": {"changes": {"iss": "https://login.example.org"}},
            }.items()
        },
    }


NAMES = [
    *((None, audience) for audience in (ORDERS, PAYMENTS, NOWHERE)),
    *((path, None) for path in ("orders", "payments", "nowhere")),
    *((path, audience) for path in ("orders", "nowhere") for audience in (ORDERS, PAYMENTS, NOWHERE)),
]


def test_until_a_token_holds_every_name_is_answered_alike(service: RunningService, wire: Wire) -> None:
    """Known, unknown and in conflict: whoever has no token learns neither which names exist nor which belong together.

    Only the id of the refusal differs, octet for octet.
    """
    for what, bearer in refused_bearers(wire).items():
        seen = {octets(ask(service, wire, path, audience, bearer)) for path, audience in NAMES}
        assert len(seen) == 1, (what, seen)
        assert next(iter(seen))[0] == 401, what


def octets(reply: Reply) -> tuple[int, tuple[tuple[str, ...], ...], bytes]:
    """The whole answer, but for its date and the id of the refusal."""
    headers = tuple((name, *values) for name, values in sorted(reply.headers.items()) if name != "date")
    return reply.status, headers, re.sub(rb'("decision_id": ")[0-9a-f-]{36}"', rb'\1"', reply.body)


@pytest.mark.parametrize("bearer", [None, b"", b"Authorization: Bearer junk"], ids=["held", "none", "junk"])
def test_silence_is_400_and_counted_whoever_asks(service: RunningService, wire: Wire, bearer: bytes | None) -> None:
    before = silent_callers(service, wire)
    reply = ask(service, wire, None, None, bearer)
    assert (reply.status, reply.json()["code"]) == (400, "audience_required")
    assert silent_callers(service, wire) == before + 1
    for path, audience in NAMES:
        ask(service, wire, path, audience, bearer)
    assert silent_callers(service, wire) == before + 1


def silent_callers(service: RunningService, wire: Wire) -> float:
    text = service.one(wire.get("/metrics")).body.decode()
    (value,) = re.findall(r"^entitlements_silent_callers_total (\S+)$", text, re.MULTILINE)
    return float(value)


@pytest.fixture(scope="module")
def with_default(start_service: StartService) -> RunningService:
    """A service whose silent callers are those of the payments API."""
    return start_service({"ENTITLEMENTS_DEFAULT_AUDIENCE": PAYMENTS})


def test_the_default_decides_for_silent_callers_and_never_the_token(with_default: RunningService, wire: Wire) -> None:
    """A token for orders is not judged by the contract of orders because no one said what asks."""
    before = silent_callers(with_default, wire)
    reply = ask(with_default, wire, None, None)
    assert (reply.status, with_default.rows()[-1]["refusal"]) == (401, "audience_mismatch")
    assert silent_callers(with_default, wire) == before + 1
    assert ask(with_default, wire, None, ORDERS).allows
    assert ask(with_default, wire, "orders", None).allows
    assert silent_callers(with_default, wire) == before + 1


def test_a_token_for_two_apis_is_judged_by_the_contract_of_the_one_that_asks(
    service: RunningService, wire: Wire
) -> None:
    both = b"Authorization: Bearer " + wire.token_of("u_1", changes={"aud": [PAYMENTS, ORDERS]}).encode()
    ask_by: dict[str, Callable[[], Reply]] = {
        "orders": lambda: ask(service, wire, None, ORDERS, both),
        "payments": lambda: ask(service, wire, None, PAYMENTS, both),
    }
    for name, asked in ask_by.items():
        reply = asked()
        assert (reply.status, reply.json()["contract"]["name"]) == (200, name)
    assert ask(service, wire, None, None, both).json()["code"] == "audience_required"
