"""H1, H2: the token is read from one place, in one form; all refusals look the same but expiry (L3, RFC 6750)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from entitlements.model import MAX_TOKEN_BYTES

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService
    from tests.wire.conftest import Wire

BARE = ['Bearer realm="entitlements"']


def refused_as_missing(service: RunningService, data: bytes) -> Reply:
    """Answered with a bare challenge and logged as `token_missing`."""
    before = len(service.rows())
    reply = service.one(data)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == BARE
    assert reply.json()["decision"] is False
    (row,) = service.rows()[before:]
    assert (row["effect"], row["refusal"]) == ("reject", "token_missing")
    assert row["decision_id"] == reply.json()["decision_id"]
    return reply


def refused(service: RunningService, data: bytes, status: int) -> Reply:
    """Answered with an error and not logged."""
    before = len(service.rows())
    reply = service.one(data)
    assert reply.status == status
    assert "decision" not in reply.json()
    assert len(service.rows()) == before
    return reply


def test_a_token_in_the_query_is_never_read(service: RunningService, wire: Wire) -> None:
    """H1."""
    first = f"POST /authorize?access_token={wire.token} HTTP/1.1".encode()
    reply = refused_as_missing(service, wire.ask(first=first, bearer=b""))
    assert wire.token.encode() not in reply.body


def test_a_token_in_a_cookie_is_never_read(service: RunningService, wire: Wire) -> None:
    """H1."""
    cookie = f"Cookie: access_token={wire.token}; Authorization=Bearer {wire.token}".encode()
    refused_as_missing(service, wire.ask(cookie, bearer=b""))


def test_a_token_in_other_headers_is_never_read(service: RunningService, wire: Wire) -> None:
    """H1, H3."""
    for name in ("X-Authorization", "Proxy-Authorization", "X-Forwarded-Authorization", "X-Access-Token", "Forwarded"):
        refused_as_missing(service, wire.ask(f"{name}: Bearer {wire.token}".encode(), bearer=b""))


def test_a_token_in_a_form_is_no_request(service: RunningService, wire: Wire) -> None:
    """H1, H9."""
    form = b"Content-Type: application/x-www-form-urlencoded"
    refused(service, wire.ask(bearer=b"", content_type=form, body=b"access_token=" + wire.token.encode()), 415)


def test_a_token_in_the_body_is_an_unknown_member(service: RunningService, wire: Wire) -> None:
    """H1."""
    reply = refused(service, wire.ask(bearer=b"", body=wire.body(access_token=wire.token)), 400)
    assert list(reply.json()["details"]) == ["access_token"]
    assert wire.token.encode() not in reply.body


@pytest.mark.parametrize("name", ["access_token", "%61ccess_token", "access%5Ftoken"])
@pytest.mark.parametrize("value", ["{token}", "x", ""])
def test_a_token_in_header_and_query_is_refused(service: RunningService, wire: Wire, name: str, value: str) -> None:
    """H1: two places."""
    first = f"POST /authorize?a=b&{name}={value.format(token=wire.token)} HTTP/1.1".encode()
    reply = refused(service, wire.ask(first=first), 400)
    assert reply.json()["code"] == "token_in_two_places"


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
def test_the_scheme_is_read_in_any_case(service: RunningService, wire: Wire, scheme: bytes) -> None:
    """H2, RFC 9110 section 11.1."""
    assert service.one(wire.ask(bearer=b"authorization: " + scheme + b" " + wire.token.encode())).allows


@pytest.mark.parametrize(
    "form",
    [
        *("Basic {token}", "DPoP {token}", "Bearer", "Bearer\t{token}", "Bearer={token}", "Bearer{token}", "{token}"),
        *("Bearer: {token}", "", "Token {token}", "Negotiate {token}"),
    ],
)
def test_another_scheme_counts_as_no_token(service: RunningService, wire: Wire, form: str) -> None:
    """H2."""
    refused_as_missing(
        service, wire.ask(bearer=f"Authorization: {form}".encode().replace(b"{token}", wire.token.encode()))
    )


@pytest.mark.parametrize(
    "form",
    [
        *(
            "Bearer  {token}",
            'Bearer "{token}"',
            "Bearer {token},{token}",
            "Bearer {token}, Basic x",
            "Bearer {token} x",
        ),
        *("Bearer Bearer {token}", "Bearer \t{token}", "Bearer {token}=", "Bearer <{token}>", "Bearer {token}\tx"),
        *("Bearer token={token}", "Bearer {token};", "Bearer x.y.z", "Bearer ."),
    ],
)
def test_a_token_with_anything_about_it_is_refused(service: RunningService, wire: Wire, form: str) -> None:
    """H2, J11."""
    before = len(service.rows())
    reply = service.one(wire.ask(bearer=f"Authorization: {form}".encode().replace(b"{token}", wire.token.encode())))
    assert reply.status == 401
    assert [row["refusal"] for row in service.rows()[before:]] == ["token_malformed"]


def test_two_authorization_headers_are_refused(service: RunningService, wire: Wire) -> None:
    """H2: also twice the same."""
    for second in (wire.bearer, b"Authorization: Basic x", b"authorization: Bearer x", b"AUTHORIZATION:"):
        assert b"authorization" in refused(service, wire.ask(second), 400).body


@pytest.mark.parametrize("name", ["Authorization: Bearer", "Content-Type:", "Content-Encoding:", "X-Request-ID:"])
@pytest.mark.parametrize("value", [b"\xff", "é".encode(), "€".encode()], ids=ascii)
def test_a_header_that_is_not_ascii_does_not_count_as_absent(
    service: RunningService, wire: Wire, name: str, value: bytes
) -> None:
    line = name.encode() + b" " + value
    replaced = {
        "Authorization: Bearer": {"bearer": line},
        "Content-Type:": {"content_type": line},
    }.get(name, {})
    refused(service, wire.ask(**replaced) if replaced else wire.ask(line), 400)


def causes(wire: Wire) -> dict[str, str]:
    """One token for each of many causes, by the code that stands in the log."""
    head, payload, signature = wire.token.split(".")
    other_payload = wire.token_of("u_2").split(".")[1]
    changed: dict[str, dict[str, Any]] = {
        "audience_mismatch": {"changes": {"aud": "https://crm.example.com"}},
        "issuer_unknown": {"changes": {"iss": "https://login.example.org"}},
        "claim_invalid": {"changes": {"jti": 1}},
        "id_token": {"changes": {"nonce": "n"}},
        "sender_constrained": {"changes": {"cnf": {"jkt": "x"}}},
        "token_not_yet_valid": {"changes": {"nbf": 4102444800}},
        "lifetime_too_long": {"lifetime": 3601},
        "type_not_access_token": {"typ": "JWT"},
    }
    return {
        "token_malformed": f"{head}.{payload}",
        "signature_invalid": f"{head}.{other_payload}.{signature}",
        "token_too_large": "a" * (MAX_TOKEN_BYTES + 1),
        **{cause: wire.token_of("u_1", **options) for cause, options in changed.items()},
    }


def test_every_cause_but_expiry_is_told_in_the_same_words(service: RunningService, wire: Wire) -> None:
    """L3: answers differ in their decision id alone; the cause stands in the log under it."""
    seen = set()
    for cause, token in causes(wire).items():
        before = len(service.rows())
        reply = service.one(wire.ask(bearer=f"Authorization: Bearer {token}".encode()))
        body = reply.json()
        (row,) = service.rows()[before:]
        assert (row["refusal"], row["decision_id"]) == (cause, body.pop("decision_id"))
        headers = {name: value for name, value in reply.headers.items() if name != "date"}
        seen.add((reply.status, repr(sorted(body.items())), repr(sorted(headers.items()))))
    ((status, body_text, headers_text),) = seen
    assert status == 401
    assert "the access token is not valid" in body_text
    assert 'Bearer realm="entitlements", error="invalid_token"' in headers_text


def test_expiry_is_told_so_that_a_client_can_renew(service: RunningService, wire: Wire) -> None:
    """RFC 6750 section 3.1."""
    token = wire.token_of("u_1", changes={"iat": 1_000_000, "exp": 1_000_600})
    reply = service.one(wire.ask(bearer=f"Authorization: Bearer {token}".encode()))
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == [
        'Bearer realm="entitlements", error="invalid_token", error_description="the access token expired"'
    ]
    assert reply.json()["error_description"] == "the access token expired"
