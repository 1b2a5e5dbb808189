"""Where metadata stands, what is believed of it, and which of its endpoints are asked (RFC 8414, K10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from entitlements.errors import KeysUnavailable
from entitlements.token.metadata import check_network, endpoint, network_of, parse_metadata, well_known_urls

ISSUER = "https://login.example.com/realms/acme"


@pytest.mark.parametrize(
    ("issuer", "by_rfc_8414", "by_openid_connect"),
    [
        (
            "https://login.example.com",
            "https://login.example.com/.well-known/oauth-authorization-server",
            "https://login.example.com/.well-known/openid-configuration",
        ),
        (
            "https://login.example.com/",
            "https://login.example.com/.well-known/oauth-authorization-server",
            "https://login.example.com/.well-known/openid-configuration",
        ),
        (
            ISSUER,
            "https://login.example.com/.well-known/oauth-authorization-server/realms/acme",
            "https://login.example.com/realms/acme/.well-known/openid-configuration",
        ),
        (
            "https://login.example.com:8443/oauth2/default/",
            "https://login.example.com:8443/.well-known/oauth-authorization-server/oauth2/default",
            "https://login.example.com:8443/oauth2/default/.well-known/openid-configuration",
        ),
    ],
    ids=["host", "slash", "path", "port, path and slash"],
)
def test_well_known_addresses_follow_both_specifications(issuer: str, by_rfc_8414: str, by_openid_connect: str) -> None:
    assert well_known_urls(issuer) == (by_rfc_8414, by_openid_connect)


def code_of(document: Any, issuer: str = ISSUER) -> str:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(KeysUnavailable) as refusal:
        parse_metadata(data, issuer, "https://login.example.com/x")
    assert "evil" not in refusal.value.message
    return refusal.value.code


@pytest.mark.parametrize(
    "issuer",
    [
        "https://evil.example.com",
        f"{ISSUER}/",
        ISSUER.upper(),
        "https://login.example.com:443/realms/acme",
        "https://login.example.com/realms/%61cme",
        f"{ISSUER} ",
        None,
        [ISSUER],
        {"issuer": ISSUER},
        True,
    ],
    ids=range(10),
)
def test_document_of_another_issuer_is_refused(issuer: Any) -> None:
    assert code_of({"issuer": issuer, "jwks_uri": "https://login.example.com/jwks"}) == "metadata_issuer_mismatch"


@pytest.mark.parametrize(
    "document",
    [b"", b"<html></html>", b"[]", b"null", b'{"issuer": "a", "issuer": "b"}', b'{"a": NaN}', b'{"a":' + b"[" * 50],
    ids=range(7),
)
def test_document_that_is_not_strict_json_is_refused(document: bytes) -> None:
    assert code_of(document) == "metadata_invalid"


def asked(url: Any, *hosts: str, issuer: str = ISSUER) -> str:
    found = parse_metadata(json.dumps({"issuer": issuer, "jwks_uri": url}).encode(), issuer, "https://x.example")
    try:
        return endpoint(found, "jwks_uri", hosts)
    except KeysUnavailable as refusal:
        return refusal.code


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.com/jwks",
        "https://login.example.com:443/jwks?v=2",
        "https://LOGIN.example.com/jwks",
    ],
)
def test_endpoint_on_the_issuers_own_host_is_asked(url: str) -> None:
    assert asked(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/jwks",
        "https://keys.example.com/jwks",
        "https://login.example.com:8443/jwks",
        "https://login.example.com.evil.example/jwks",
        "https://user@login.example.com/jwks",
        "https://login.example.com@evil.example/jwks",
        "https://login.example.com/jwks#a",
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/jwks",
        "http://127.0.0.1/jwks",
        "http://[::1]/jwks",
        "file:///etc/passwd",
        "https://logın.example.com/jwks",
        "https://login.example.com\\@evil.example/",
        "//login.example.com/jwks",
        "/jwks",
        "",
    ],
)
def test_endpoint_elsewhere_is_not_asked(url: str) -> None:
    assert asked(url) == "metadata_endpoint_refused"


@pytest.mark.parametrize("url", [None, 5, ["https://login.example.com/jwks"], {}])
def test_endpoint_that_is_not_named_is_not_asked(url: Any) -> None:
    assert asked(url) == "metadata_invalid"


def test_endpoint_on_a_host_that_the_deployment_named_is_asked() -> None:
    url = "https://www.googleapis.com/oauth2/v3/certs"
    assert asked(url, "www.googleapis.com") == url
    assert asked(url, "www.googleapis.com:443") == url
    assert asked(url, "www.googleapis.com:8443") == "metadata_endpoint_refused"
    assert asked("https://www.googleapis.com:8443/x", "www.googleapis.com") == "metadata_endpoint_refused"
    assert asked("http://www.googleapis.com/x", "www.googleapis.com") == "metadata_endpoint_refused"
    assert asked("https://[2606:4700::1]/x", "[2606:4700::1]") == "https://[2606:4700::1]/x"


def test_http_is_for_an_issuer_on_loopback_by_http() -> None:
    issuer = "http://localhost:18080/realms/acme"
    assert asked("http://localhost:18080/certs", issuer=issuer) == "http://localhost:18080/certs"
    assert asked("http://localhost:18081/certs", issuer=issuer) == "metadata_endpoint_refused"
    assert asked("http://localhost:18081/certs", "localhost:18081", issuer=issuer) == "http://localhost:18081/certs"
    # An issuer by https leads to no http, whatever the deployment names.
    assert asked("http://localhost:18081/certs", "localhost:18081") == "metadata_endpoint_refused"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("93.184.215.14", "public"),
        ("2606:4700::1", "public"),
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd00::1", "private"),
        ("0.0.0.0", "private"),
    ],
)
def test_endpoint_inside_a_network_is_asked_only_if_the_issuer_is_inside_it(address: str, network: str) -> None:
    assert network_of(address) == network
    for of_issuer in ("public", "private", "loopback", "link-local"):
        if network in ("public", of_issuer):
            check_network("jwks_uri", address, of_issuer)
        else:
            with pytest.raises(KeysUnavailable):
                check_network("jwks_uri", address, of_issuer)
