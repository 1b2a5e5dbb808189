"""P6: a policy that asks the network, the clock, chance or the process is refused when it is read, by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from entitlements.engine import Opa, check_policies
from entitlements.errors import StartupFault

REFUSED = {
    "http.send": 'http.send({"method": "get", "url": "http://example.com"})',
    "net.lookup_ip_addr": 'net.lookup_ip_addr("example.com")',
    "opa.runtime": "opa.runtime()",
    "rand.intn": 'rand.intn("a", 5)',
    "time.now_ns": "time.now_ns()",
    "uuid.rfc4122": 'uuid.rfc4122("a")',
    "trace": 'trace("a")',
    "io.jwt.decode_verify": 'io.jwt.decode_verify(input.token, {"secret": "a"})',
    "io.jwt.encode_sign": 'io.jwt.encode_sign({"alg": "none"}, {}, {})',
    "io.jwt.encode_sign_raw": 'io.jwt.encode_sign_raw("{}", "{}", "{}")',
    # Their `$ref` can name an address.
    "json.match_schema": 'json.match_schema({}, {"$ref": "http://example.com"})',
    "json.verify_schema": 'json.verify_schema({"$ref": "http://example.com"})',
    "crypto.x509.parse_and_verify_certificates": 'crypto.x509.parse_and_verify_certificates("a")',
    "no.such_function": "no.such_function(1)",
}
PERMITTED = {
    "time.parse_rfc3339_ns": 'time.parse_rfc3339_ns("2026-01-01T00:00:00Z")',
    "net.cidr_contains": 'net.cidr_contains("10.0.0.0/8", "10.0.0.1")',
    "regex.match": 'regex.match("a", "a")',
}


def check(opa: Opa, folder: Path, expression: str) -> None:
    package = folder / "shop" / "authz"
    package.mkdir(parents=True)
    (package / "authz.rego").write_text(
        f"package shop.authz\n\ndefault decision := false\n\ndecision := true if {expression}\n", encoding="utf-8"
    )
    check_policies(folder, decision_paths=["shop/authz/decision"], opa=opa)


@pytest.mark.parametrize("name", REFUSED)
def test_function_beyond_the_input_is_refused(opa: Opa, tmp_path: Path, name: str) -> None:
    with pytest.raises(StartupFault) as refusal:
        check(opa, tmp_path, REFUSED[name])
    assert refusal.value.code == "policy_invalid"
    (fault,) = refusal.value.faults
    assert (fault.file, fault.line) == (str(tmp_path / "shop" / "authz" / "authz.rego"), 5)
    assert name in fault.message


@pytest.mark.parametrize("name", PERMITTED)
def test_function_of_its_arguments_is_permitted(opa: Opa, tmp_path: Path, name: str) -> None:
    check(opa, tmp_path, PERMITTED[name])
