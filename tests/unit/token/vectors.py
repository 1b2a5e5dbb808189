"""What a vector's words mean: it becomes the text of one token, made with a signer that obeys whatever it is told."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entitlements.model import MAX_TOKEN_BYTES, TokenProfile
from entitlements.token import KeySet, SigningKey, VerificationKey, generate_key, parse_key_set
from entitlements.token.compact import decode, encode

NOW = 1_800_000_000
ISSUER, AUDIENCE = "https://login.example", "https://orders.example"
ISSUER_B, AUDIENCE_B = "https://other.example", "https://payments.example"
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519", "RS384")
PROFILE = TokenProfile(ISSUER, AUDIENCE, ALGORITHMS, 3600)
PROFILE_B = TokenProfile(ISSUER_B, AUDIENCE_B, ("RS256",), 3600)
FOLDER = Path(__file__).resolve().parents[2] / "vectors"
_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ED25519 = 2**252 + 27742317777372353535851937790883648493


@dataclass(frozen=True)
class FixedKeys:
    """A key source that never changes."""

    keys: KeySet
    generation: int = 1

    def known(self, kid: str | None, algorithm: str, now: float) -> VerificationKey | None:
        return self.keys.get(kid, algorithm)

    def find(self, kid: str | None, algorithm: str, now: float) -> VerificationKey:
        return self.keys.find(kid, algorithm)

    def tend(self, now: float) -> None:
        """Nothing is due."""

    def health(self, now: float) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing runs."""


class Signers:
    """The keys of two issuers, who share a `kid`, and of a stranger. Weak members stand in the first one's set."""

    def __init__(self) -> None:
        self.own = {name: generate_key(name, name) for name in ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")}
        self.shared_a, self.shared_b = generate_key("RS256", "shared"), generate_key("RS256", "shared")
        self.strangers = {name: generate_key(name, name) for name in ("RS256", "ES256", "EdDSA")}
        good = [key.public_jwk() for key in (*self.own.values(), self.shared_a)]
        self.keys_a = FixedKeys(parse_key_set(json.dumps({"keys": [*good, *self._weak()]}).encode()))
        self.keys_b = FixedKeys(parse_key_set(json.dumps({"keys": [self.shared_b.public_jwk()]}).encode()))

    def _weak(self) -> list[dict[str, Any]]:
        rsa = self.own["RS256"].public_jwk()
        curve = self.own["ES256"].public_jwk()
        return [
            {"kty": "oct", "kid": "oct", "k": encode(b"s" * 32), "alg": "HS256"},
            {"kty": "RSA", "kid": "weak RSA", "n": encode(b"\xff" * 64), "e": "AQAB"},
            {"kty": "RSA", "kid": "exponent one", "n": rsa["n"], "e": "AQ"},
            {"kty": "OKP", "kid": "small order", "crv": "Ed25519", "x": encode(b"\x01" + bytes(31))},
            {"kty": "EC", "kid": "off curve", "crv": "P-256", "x": curve["x"], "y": curve["x"]},
            {"kty": "OKP", "kid": "X25519", "crv": "X25519", "x": encode(b"\x09" + bytes(31))},
        ]

    def of(self, vector: Mapping[str, Any]) -> SigningKey:
        algorithm = vector.get("sign", "RS256")
        name = vector.get("key", algorithm)
        if name == "stranger":
            return self.strangers[algorithm]
        if name.startswith("shared"):
            return self.shared_a if name.endswith("A") else self.shared_b
        return SigningKey(name, algorithm, self.own[name].private_key)


def load(name: str) -> list[dict[str, Any]]:
    """The vectors of one file."""
    vectors: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return vectors


def token_of(vector: Mapping[str, Any], signers: Signers) -> str:
    """The text of the token that a vector describes."""
    key = signers.of(vector)
    header, payload = _header(vector, key), _payload(vector)
    signing_input = f"{encode(header)}.{encode(payload)}"
    if "hmac" in vector:
        secret = _secret(vector["hmac"]["secret"], signers)
        digest = hashlib.sha512 if vector["hmac"]["alg"] == "HS512" else hashlib.sha256
        signature = hmac.new(secret, signing_input.encode(), digest).digest()
    else:
        signature = key.sign(signing_input.encode())
    if "signature" in vector:
        signature = _SIGNATURES[vector["signature"]](signature, key)
    token = f"{signing_input}.{encode(signature)}"
    return _TEXTS[vector["text"]](token) if "text" in vector else token


def payload_of(vector: Mapping[str, Any]) -> dict[str, Any]:
    """The claims that a vector without raw payload describes."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "u",
        "client_id": "web",
        "iat": NOW,
        "exp": NOW + 300,
        "jti": "j",
    } | _named(vector.get("claims", {}))
    for name, seconds in vector.get("times", {}).items():
        claims[name] = (NOW + 300) * 1000 if seconds == "milliseconds" else NOW + seconds
    return {name: value for name, value in claims.items() if name not in vector.get("drop", [])}


def _named(value: Any) -> Any:
    """`@iss` and the like represent the real names."""
    if isinstance(value, str):
        for name, real in (("@iss_b", ISSUER_B), ("@aud_b", AUDIENCE_B), ("@iss", ISSUER), ("@aud", AUDIENCE)):
            value = value.replace(name, real)
        return value.replace("@now", str(NOW)).replace("@exp", str(NOW + 300))
    if isinstance(value, list):
        return [_named(item) for item in value]
    if isinstance(value, dict):
        return {name: _named(item) for name, item in value.items()}
    return value


def _header(vector: Mapping[str, Any], key: SigningKey) -> bytes:
    if "raw_header" in vector:
        return bytes(vector["raw_header"].encode(vector.get("header_encoding", "utf-8")))
    algorithm = vector["hmac"]["alg"] if "hmac" in vector else key.algorithm
    header = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt"} | vector.get("header", {})
    if header.get("jwk") == "own jwk":
        header["jwk"] = key.public_jwk()
    return _dump({name: value for name, value in header.items() if name not in vector.get("drop_header", [])})


def _payload(vector: Mapping[str, Any]) -> bytes:
    if "raw_payload" in vector:
        return bytes(_named(vector["raw_payload"]).encode(vector.get("payload_encoding", "utf-8")))
    return _dump(payload_of(vector))


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _secret(form: str, signers: Signers) -> bytes:
    public = signers.own["RS256"].private_key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = _dump(signers.own["RS256"].public_jwk())
    return {
        "pem": pem,
        "pem without its last newline": pem.rstrip(),
        "pem with CRLF": pem.replace(b"\n", b"\r\n"),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "pkcs1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "openssh": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "jwk": jwk,
        "jwks": b'{"keys": [' + jwk + b"]}",
        "modulus": decode(str(signers.own["RS256"].public_jwk()["n"])),
        "byte order mark and pem": b"\xef\xbb\xbf" + pem,
        "empty": b"",
        "null": b"null",
        "oct": b"s" * 32,
    }[form]


def _halves(signature: bytes) -> tuple[int, int]:
    return int.from_bytes(signature[:32]), int.from_bytes(signature[32:])


def _pair(first: int, second: int) -> bytes:
    return first.to_bytes(32) + second.to_bytes(32)


def _modulus(key: SigningKey) -> int:
    return int.from_bytes(decode(str(key.public_jwk()["n"])))


def _s_plus_l(signature: bytes) -> bytes:
    return signature[:32] + (int.from_bytes(signature[32:], "little") + _ED25519).to_bytes(32, "little")


_SIGNATURES: Mapping[str, Callable[[bytes, SigningKey], bytes]] = {
    "high s": lambda signature, key: _pair(_halves(signature)[0], _P256 - _halves(signature)[1]),
    "r zero": lambda signature, key: _pair(0, _halves(signature)[1]),
    "s zero": lambda signature, key: _pair(_halves(signature)[0], 0),
    "r is n": lambda signature, key: _pair(_P256, _halves(signature)[1]),
    "s is n": lambda signature, key: _pair(_halves(signature)[0], _P256),
    "both zero": lambda signature, key: bytes(64),
    "swapped": lambda signature, key: signature[32:] + signature[:32],
    "DER": lambda signature, key: encode_dss_signature(*_halves(signature)),
    "short": lambda signature, key: signature[:-1],
    "long": lambda signature, key: signature + b"\0",
    "rsa all zero": lambda signature, key: bytes(len(signature)),
    "rsa one": lambda signature, key: (1).to_bytes(len(signature)),
    "rsa n minus one": lambda signature, key: (_modulus(key) - 1).to_bytes(len(signature)),
    "rsa leading zero": lambda signature, key: b"\0" + signature,
    "rsa short": lambda signature, key: signature[:-1],
    "eddsa S plus L": lambda signature, key: _s_plus_l(signature),
    "eddsa all zero": lambda signature, key: bytes(64),
    "eddsa short": lambda signature, key: signature[:-1],
}


def _next_letter(part: str) -> str:
    """The same octets written with spare bits: the last character's successor."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4, "the part has no spare bits"
    return part[:-1] + letters[letters.index(part[-1]) + 1]


def _swapped_claims(token: str) -> str:
    header, payload, signature = token.split(".")
    claims = json.loads(decode(payload)) | {"sub": "admin"}
    return f"{header}.{encode(_dump(claims))}.{signature}"


def _spare_bits_in_header(token: str) -> str:
    header, rest = token.split(".", 1)
    spaced = next(decode(header)[:-1] + b" " * count + b"}" for count in (0, 1) if (len(decode(header)) + count) % 3)
    return f"{_next_letter(encode(spaced))}.{rest}"


_TEXTS: Mapping[str, Callable[[str], str]] = {
    "empty signature": lambda token: token.rpartition(".")[0] + ".",
    "two parts": lambda token: token.rpartition(".")[0],
    "detached payload": lambda token: token.split(".")[0] + ".." + token.split(".")[2],
    "four parts": lambda token: token + ".AAAA",
    "five parts": lambda token: token + ".AAAA.AAAA",
    "six parts": lambda token: token + ".AAAA.AAAA.AAAA",
    "json serialization": lambda token: json.dumps(
        dict(zip(("protected", "payload", "signature"), token.split("."), strict=True))
    ),
    "blank before": lambda token: " " + token,
    "blank behind": lambda token: token + " ",
    "newline behind": lambda token: token + "\n",
    "padded signature": lambda token: token + "=" * (-len(token.split(".")[2]) % 4),
    "padded payload": lambda token: token.replace(".", "==.", 2),
    "plus and slash": lambda token: token[:-2] + "+/",
    "percent dot": lambda token: token.replace(".", "%2e"),
    "quoted": lambda token: f'"{token}"',
    "Bearer before": lambda token: "Bearer " + token,
    "comma list": lambda token: f"{token},{token}",
    "trailing junk": lambda token: token + "\0",
    "empty text": lambda token: "",
    "dots only": lambda token: "..",
    "wide dot": lambda token: token.replace(".", "．"),
    "spare bits in the signature": lambda token: ".".join([*token.split(".")[:2], _next_letter(token.split(".")[2])]),
    "spare bits in the header": _spare_bits_in_header,
    "claims swapped": _swapped_claims,
    "one byte too many": lambda token: token + "A" * (MAX_TOKEN_BYTES + 1 - len(token)),
    "as many bytes as permitted": lambda token: "." * MAX_TOKEN_BYTES,
    "200,000 dots": lambda token: "." * 200_000,
}
