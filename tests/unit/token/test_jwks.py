"""A key set is judged member by member: a bad member is skipped with its reason, and the good ones live."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from entitlements.errors import KeysUnavailable, TokenRejected
from entitlements.token import KeySet, SigningKey, generate_key, parse_key_set
from entitlements.token.compact import decode, encode

GOOD = generate_key("ES256", "good").public_jwk()
RSA = generate_key("RS256", "rsa")
CURVE = generate_key("ES256", "ec")
EDWARDS = generate_key("EdDSA", "ed")
_P = 2**255 - 19


def parse(*members: Any) -> KeySet:
    return parse_key_set(json.dumps({"keys": list(members)}).encode())


def rsa(**changes: Any) -> dict[str, Any]:
    return RSA.public_jwk() | changes


def curve(**changes: Any) -> dict[str, Any]:
    return CURVE.public_jwk() | changes


def edwards(**changes: Any) -> dict[str, Any]:
    return EDWARDS.public_jwk() | changes


def without(member: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in member.items() if name not in names}


def small_rsa(bits: int) -> dict[str, Any]:
    return SigningKey("rsa", "RS256", generate_private_key(public_exponent=65537, key_size=bits)).public_jwk()


def point(y: int, sign: int = 0) -> str:
    return encode((y | sign << 255).to_bytes(32, "little"))


# Points whose order divides 8 (RFC 7748 section 6, "all-zero" outcomes), also in their non-canonical spellings.
SMALL_ORDER = {
    "order 1": point(1),
    "order 2": point(_P - 1),
    "order 4": point(0),
    "order 4, sign set": point(0, 1),
    "order 8": encode(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")),
    "order 8, other": encode(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")),
    "order 1, not canonical": point(_P + 1),
    "order 4, not canonical": point(_P),
    "order 1, sign set": point(1, 1),
}

BAD: dict[str, Any] = {
    "encryption key": rsa(use="enc"),
    "use of another case": rsa(use="SIG"),
    "use null": rsa(use=None),
    "operations without verify": rsa(key_ops=["encrypt"]),
    "operations no list": rsa(key_ops="verify"),
    "symmetric": {"kty": "oct", "kid": "rsa", "k": encode(b"s" * 32)},
    "alg none": rsa(alg="none"),
    "alg HS256": rsa(alg="HS256"),
    "alg of another type": rsa(alg="ES256"),
    "alg null": rsa(alg=None),
    "alg list": rsa(alg=["RS256"]),
    "alg ES384 for P-256": curve(alg="ES384"),
    "kid number": rsa(kid=1),
    "kid list": rsa(kid=["rsa"]),
    "kid null": rsa(kid=None),
    "kid empty": rsa(kid=""),
    "kid with a control character": rsa(kid="a\x1b"),
    "kid too long": rsa(kid="k" * 257),
    "text": "rsa",
    "null": None,
    "list": [],
    "empty object": {},
    "kty unknown": rsa(kty="rsa"),
    "kty list": rsa(kty=["RSA"]),
    "modulus missing": without(rsa(), "n"),
    "modulus number": rsa(n=5),
    "modulus padded": rsa(n=str(RSA.public_jwk()["n"]) + "=="),
    "modulus with a leading zero": rsa(n=encode(b"\0" + b"\xff" * 256)),
    "modulus even": rsa(n=encode(b"\xff" * 255 + b"\xfe")),
    "modulus of 512 bits": rsa(n=encode(b"\xff" * 64)),
    "modulus of 1024 bits": small_rsa(1024),
    "modulus of 16384 bits": rsa(n=encode(b"\xff" * 2048)),
    "exponent 1": rsa(e="AQ"),
    "exponent 2": rsa(e="Ag"),
    "exponent 3": rsa(e="Aw"),
    "exponent empty": rsa(e=""),
    "exponent huge": rsa(e=encode(b"\xff" * 256)),
    "exponent even": rsa(e=encode((65538).to_bytes(3))),
    "curve unknown": curve(crv="secp256k1"),
    "curve list": curve(crv=["P-256"]),
    "curve of another size": curve(crv="P-384", alg="ES384"),
    "point off the curve": curve(y=CURVE.public_jwk()["x"]),
    "point zero": curve(x=encode(bytes(32)), y=encode(bytes(32))),
    "coordinate short": curve(x=encode(b"\x01")),
    "coordinate missing": without(curve(), "y"),
    "X25519": edwards(crv="X25519"),
    "Ed448": edwards(crv="Ed448"),
    "point short": edwards(x=encode(bytes(31))),
    "point off the Edwards curve": edwards(x=point(2)),
} | {f"Ed25519 {name}": edwards(x=x) for name, x in SMALL_ORDER.items()}


@pytest.mark.parametrize("name", BAD)
def test_bad_member_is_skipped_with_its_reason_and_the_good_one_lives(name: str) -> None:
    for members, index in (([BAD[name], GOOD], 0), ([GOOD, BAD[name]], 1)):
        keys = parse(*members)
        assert [key.kid for key in keys.keys] == ["good"]
        assert [skipped.index for skipped in keys.skipped] == [index]
        assert keys.skipped[0].reason
        assert keys.find("good", "ES256").kid == "good"


@pytest.mark.parametrize("name", BAD)
def test_set_of_one_bad_member_names_no_key_at_all(name: str) -> None:
    keys = parse(BAD[name])
    assert keys.keys == ()
    assert [skipped.index for skipped in keys.skipped] == [0]
    with pytest.raises(TokenRejected) as refusal:
        keys.find(None, "RS256")
    assert refusal.value.code == "unknown_key"


FINE: dict[str, dict[str, Any]] = {
    "RSA without alg is for RS256": without(rsa(), "alg"),
    "RSA for PS256": rsa(alg="PS256"),
    "without use": without(rsa(), "use"),
    "operations with verify": rsa(key_ops=["verify"]),
    "unknown members": rsa(x5c=["MIIB"], note={"a": 1}),
    "EC without alg": without(curve(), "alg"),
    "EdDSA without alg": without(edwards(), "alg"),
    "EdDSA by its new name": edwards(alg="Ed25519"),
    "without kid": without(rsa(), "kid"),
    "kid of 256 letters": rsa(kid="k" * 256),
    "P-384": generate_key("ES384", "x").public_jwk(),
    "P-521": generate_key("ES512", "x").public_jwk(),
}


@pytest.mark.parametrize("name", FINE)
def test_good_member_is_used(name: str) -> None:
    keys = parse(FINE[name])
    assert len(keys.keys) == 1
    assert not keys.skipped


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_private_key_is_refused_with_an_alarm_wherever_its_public_part_stands(algorithm: str) -> None:
    key = generate_key(algorithm, "own")
    keys = parse(key.to_jwk(), key.public_jwk() | {"kid": "other"}, GOOD)
    assert [found.kid for found in keys.keys] == ["good"]
    assert [skipped.alarm for skipped in keys.skipped] == [True, False]
    assert [(skipped.leaked, skipped.name) for skipped in keys.skipped] == [(True, "own"), (True, "other")]
    assert parse(key.to_jwk()).keys == ()


LEAKY = {name: generate_key(name, "own") for name in ("RS256", "ES256", "ES512", "EdDSA")}
LEAKING: dict[str, tuple[str, Any]] = {
    "kid missing": ("RS256", lambda jwk: without(jwk, "kid")),
    "kid no string": ("ES256", lambda jwk: jwk | {"kid": 5}),
    "kty unknown": ("RS256", lambda jwk: jwk | {"kty": "rsa"}),
    "for encryption": ("RS256", lambda jwk: jwk | {"use": "enc"}),
    "padded and with a leading zero": ("RS256", lambda jwk: jwk | {"n": encode(b"\0" + decode(jwk["n"])) + "=="}),
    "one prime alone": ("RS256", lambda jwk: {"kty": "RSA", "p": jwk["p"]}),
    "the other prime alone": ("RS256", lambda jwk: {"q": jwk["q"], "n": 5}),
    "modulus and an exponent of the CRT": ("RS256", lambda jwk: {"n": jwk["n"], "dp": jwk["dp"]}),
    "scalar without the point": ("ES256", lambda jwk: {"crv": "P-256", "d": jwk["d"]}),
    "scalar with another point": ("ES512", lambda jwk: jwk | {"x": encode(bytes(66)), "y": 1}),
    "seed without the point": ("EdDSA", lambda jwk: {"crv": "Ed25519", "d": jwk["d"]}),
    "point of another sign": ("ES256", lambda jwk: without(jwk, "y")),
    "private member of another type": ("ES256", lambda jwk: jwk | {"d": ["x"]}),
    "symmetric key under its name": ("ES256", lambda jwk: {"kty": "oct", "kid": "other", "k": encode(b"s" * 32)}),
}


@pytest.mark.parametrize("name", LEAKING)
def test_leak_is_found_however_its_member_is_written(name: str) -> None:
    algorithm, change = LEAKING[name]
    key = LEAKY[algorithm]
    for members in ([change(key.to_jwk()), _other(key), GOOD], [GOOD, _other(key), change(key.to_jwk())]):
        keys = parse(*members)
        assert [found.kid for found in keys.keys] == ["good"]
        assert [skipped.alarm for skipped in keys.skipped].count(True) == 1


def _other(key: SigningKey) -> dict[str, Any]:
    return key.public_jwk() | {"kid": "other"}


def test_leak_of_one_key_leaves_keys_that_only_look_like_it() -> None:
    """A junk factor divides nothing that is not its own, and half a scalar is another key."""
    junk = {"kty": "RSA", "kid": "junk", "p": encode(b"\x03"), "q": "", "n": "", "x": "AA", "d": "AQ", "crv": "P-256"}
    assert [found.kid for found in parse(junk, rsa(), curve(), edwards()).keys] == ["rsa", "ec", "ed"]


@pytest.mark.parametrize(
    ("kid", "shown"),
    [
        ("2026-01_key.A", "2026-01_key.A"),
        ('a"b\n{c} é', "a?b??c???"),
        ("k" * 5000, "k" * 64),
        (["own"], "member-1"),
        ("", "member-1"),
        (CURVE.to_jwk()["d"], "member-1"),
        ("key:" + str(CURVE.to_jwk()["d"])[3:25], "member-1"),
    ],
    ids=range(7),
)
def test_name_of_a_leaked_key_is_shown_without_harm_and_never_a_part_of_the_key(kid: Any, shown: str) -> None:
    keys = parse(GOOD, CURVE.to_jwk() | {"kid": kid})
    assert [skipped.name for skipped in keys.skipped] == [shown]


def test_private_key_is_not_told_in_a_reason() -> None:
    private = CURVE.to_jwk()
    assert str(private["d"]) not in repr(parse(private, GOOD))


def test_shared_kid_with_another_key_is_refused_for_all_who_share_it() -> None:
    keys = parse(rsa(kid="twin"), curve(kid="twin"), GOOD)
    assert [key.kid for key in keys.keys] == ["good"]
    assert [skipped.index for skipped in keys.skipped] == [0, 1]
    assert parse(rsa(kid="one"), curve(kid="two")).find("two", "ES256").algorithm == "ES256"


def test_equal_twins_are_one_key() -> None:
    keys = parse(rsa(), GOOD, rsa(x5c=["MIIB"]), without(curve(), "kid"), without(curve(), "kid"))
    assert [key.kid for key in keys.keys] == ["rsa", "good", None]
    assert not keys.skipped
    assert keys.digest == parse(rsa(), GOOD, without(curve(), "kid")).digest


@pytest.mark.parametrize(
    "twin", [rsa(alg="PS256"), rsa(use="enc"), rsa(n="AQAB"), {"kid": "rsa"}, small_rsa(3072)], ids=range(5)
)
def test_twin_that_is_not_equal_takes_the_name_away(twin: dict[str, Any]) -> None:
    assert [key.kid for key in parse(rsa(), twin, GOOD).keys] == ["good"]
    assert [key.kid for key in parse(GOOD, twin, rsa(), rsa()).keys] == ["good"]


def test_kid_of_a_skipped_member_still_counts_as_taken() -> None:
    assert [key.kid for key in parse(rsa(kid="twin", use="enc"), curve(kid="twin"), GOOD).keys] == ["good"]


def test_key_is_found_by_name_and_algorithm_together() -> None:
    keys = parse(rsa(), curve(), edwards())
    assert keys.find("rsa", "RS256").kid == "rsa"
    for kid, algorithm in (("rsa", "PS256"), ("rsa", "ES256"), ("RSA", "RS256"), ("", "RS256"), ("rsa ", "RS256")):
        with pytest.raises(TokenRejected) as refusal:
            keys.find(kid, algorithm)
        assert refusal.value.code == "unknown_key"


def test_header_without_kid_takes_the_only_fitting_key_and_never_one_of_two() -> None:
    assert parse(rsa(), curve()).find(None, "ES256").kid == "ec"
    with pytest.raises(TokenRejected):
        parse(GOOD, curve()).find(None, "ES256")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html></html>",
        b'{"keys": [',
        b"null",
        b"[]",
        b'"keys"',
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b'{"keys": [], "keys": []}',
        b'{"keys": []} {}',
        b'{"keys": [NaN]}',
        b'\xef\xbb\xbf{"keys": []}',
        '{"keys": []}'.encode("utf-16"),
        b'{"keys": ["\xff"]}',
        b'{"keys": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        json.dumps({"keys": [GOOD] * 101}).encode(),
        json.dumps({"keys": [GOOD], "pad": "x" * 262144}).encode(),
    ],
    ids=range(18),
)
def test_document_that_is_no_key_set_is_refused(data: bytes) -> None:
    with pytest.raises(KeysUnavailable) as refusal:
        parse_key_set(data)
    assert refusal.value.code == "key_set_invalid"


def test_empty_set_is_the_word_that_there_is_no_key_and_a_hundred_members_are_read() -> None:
    assert parse() == KeySet((), (), parse().digest)
    assert len(parse(*[GOOD | {"kid": f"k{number}"} for number in range(100)]).keys) == 100


def test_digest_is_of_the_usable_keys_whatever_their_order() -> None:
    assert parse(rsa(), curve()).digest == parse(curve(), BAD["X25519"], rsa(note="x")).digest
    assert parse(rsa(), curve()).digest != parse(rsa(), curve(kid="other")).digest
    assert parse(rsa()).digest != parse(rsa(alg="PS256")).digest


def test_ec_public_key_of_the_set_is_the_one_that_signed() -> None:
    found = parse(curve()).find("ec", "ES256").public_key
    assert isinstance(found, ec.EllipticCurvePublicKey)
    assert found.public_numbers() == CURVE.private_key.public_key().public_numbers()  # type: ignore[union-attr]
