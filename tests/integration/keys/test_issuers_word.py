"""R8: what a whole key set says counts immediately, over real HTTP and from a file; what is not whole says nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from entitlements.errors import KeysUnavailable, TokenRejected
from entitlements.model import TokenProfile
from entitlements.token import FileKeys, HttpKeys, KeySource, TokenVerifier, generate_key, mint
from entitlements.token.compact import encode
from tests.integration.keys.test_http_keys import END, Endpoint, chunk, chunked, document, finds, plain, settle

TRUSTED, OTHER = generate_key("ES256", "trusted"), generate_key("ES256", "other")
GOOD, PRIVATE = TRUSTED.public_jwk(), TRUSTED.to_jwk()
STRANGER = generate_key("ES256", "trusted").public_jwk()
WORDS: dict[str, list[Any]] = {
    "no key at all": [],
    "another key": [OTHER.public_jwk()],
    "the private part": [PRIVATE],
    "the private part beside the public one": [PRIVATE, GOOD],
    "the private part under another name": [PRIVATE | {"kid": "backup"}, GOOD],
    "the private part without a name": [GOOD, {"crv": "P-256", "d": PRIVATE["d"]}],
    "a private part that is malformed": [GOOD, {"kid": "trusted", "d": None}],
    "a symmetric key of that name": [{"kid": "trusted", "kty": "oct", "k": encode(b"s" * 32)}],
    "for encryption": [GOOD | {"use": "enc"}],
    "operations without verify": [GOOD | {"key_ops": ["deriveKey"]}],
    "an algorithm of encryption": [GOOD | {"alg": "ECDH-ES"}],
    "another algorithm of signatures": [GOOD | {"alg": "ES384"}],
    "two keys of one name": [GOOD, STRANGER],
    "only junk": ["junk", 5, {}],
}
LEAKS = [name for name in WORDS if "private" in name or "symmetric" in name]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    running = Endpoint()
    running.answer = plain(document(GOOD))
    yield running
    running.close()


@pytest.fixture
def over_http(endpoint: Endpoint) -> Iterator[HttpKeys]:
    source = HttpKeys(endpoint.url, timeout=5.0, refresh_after=300, cooldown=10, max_stale=3600)
    yield source
    source.close()


def refused(keys: KeySource, now: float) -> str:
    with pytest.raises(TokenRejected) as refusal:
        keys.find("trusted", "ES256", now)
    return refusal.value.code


@pytest.mark.parametrize("name", WORDS)
def test_word_over_http_takes_the_key_away_at_once(endpoint: Endpoint, over_http: HttpKeys, name: str) -> None:
    assert finds(over_http, "trusted", 0)
    endpoint.answer = plain(document(*WORDS[name]))
    over_http.health(300)
    settle(over_http)
    assert refused(over_http, 301) == "unknown_key"
    assert bool(over_http.leaked) is (name in LEAKS)
    # The next word may give it again.
    endpoint.answer = plain(document(GOOD))
    assert finds(over_http, "trusted", 311)


@pytest.mark.parametrize("name", WORDS)
def test_word_in_a_file_takes_the_key_away_at_the_next_look(tmp_path: Path, name: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(document(GOOD))
    keys = FileKeys(path)
    assert finds(keys, "trusted", 0)
    path.write_bytes(document(*WORDS[name]))
    assert refused(keys, 1) == "unknown_key"
    assert bool(keys.leaked) is (name in LEAKS)
    path.write_bytes(document(GOOD))
    assert finds(keys, "trusted", 2)


@pytest.mark.parametrize("name", WORDS)
def test_remembered_token_stops_with_its_key(endpoint: Endpoint, over_http: HttpKeys, name: str) -> None:
    issuer, audience, now = "https://login.example", "https://orders.example", 1_800_000_000
    claims = {"iss": issuer, "aud": audience, "exp": now + 60, "iat": now, "jti": "1", "sub": "u", "client_id": "web"}
    token = mint(TRUSTED, claims)
    clock = [0.0]
    verifier = TokenVerifier(
        [TokenProfile(issuer, audience, ("ES256",), 3600)], {issuer: over_http}, monotonic=lambda: clock[0]
    )
    verifier.verify(
        token, now=now, audience=audience
    )  # fetches; what is cached from here on is of the set that it fetched
    first = verifier.verify(token, now=now, audience=audience)
    assert verifier.verify(token, now=now, audience=audience) is first
    endpoint.answer = plain(document(*WORDS[name]))
    over_http.health(300)
    settle(over_http)
    clock[0] = 301
    with pytest.raises(TokenRejected, match="no one key"):
        verifier.verify(token, now=now, audience=audience)


def test_first_word_that_names_no_key_is_a_refusal_and_not_ready(endpoint: Endpoint, over_http: HttpKeys) -> None:
    endpoint.answer = plain(document())
    assert refused(over_http, 0) == "unknown_key"
    health = over_http.health(1)
    # Each token is refused, which is a decision: no replica is better off without this one.
    assert health.ready
    assert [problem.code for problem in health.problems] == ["key_set_empty"]
    assert "no usable key" in health.problem


def test_body_in_chunks_that_end_is_whole(endpoint: Endpoint, over_http: HttpKeys) -> None:
    text = document(GOOD)
    endpoint.answer = chunked(chunk(text[:7]), chunk(text[7:]), END)
    assert finds(over_http, "trusted", 0)


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage", document(GOOD)[:-1], document(GOOD) * 2, b"<html></html>", b'{"keys": [], "keys": []}', b"[]"],
    ids=range(7),
)
def test_file_that_is_not_whole_leaves_the_last_good_set_within_its_age(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(document(GOOD))
    keys = FileKeys(path, max_stale=60)
    assert finds(keys, "trusted", 0)
    path.write_bytes(data)
    assert finds(keys, "trusted", 59)
    assert keys.health(60).ready
    assert keys.health(60).problem
    with pytest.raises(KeysUnavailable):
        keys.find("trusted", "ES256", 61)
    path.write_bytes(document(GOOD))
    assert finds(keys, "trusted", 62)
    assert not keys.health(63).problem


@pytest.mark.parametrize("how", ["removed", "a folder", "a pipe", "a link to nothing"])
def test_path_that_is_no_file_leaves_the_last_good_set(tmp_path: Path, how: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(document(GOOD))
    keys = FileKeys(path)
    assert finds(keys, "trusted", 0)
    path.unlink()
    makers: dict[str, Callable[[], Any]] = {
        "a folder": path.mkdir,
        "a pipe": lambda: os.mkfifo(path),
        "a link to nothing": lambda: path.symlink_to("nowhere"),
    }
    makers.get(how, lambda: None)()
    assert finds(keys, "trusted", 1)
    health = keys.health(2)
    assert health.ready
    assert [problem.code for problem in health.problems] in (["keys_fetch_failed"], ["key_set_invalid"])


def test_file_written_again_within_one_tick_of_the_clock_and_of_equal_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(document(GOOD))
    keys = FileKeys(path)
    assert finds(keys, "trusted", 0)
    before = path.stat()
    path.write_bytes(document(GOOD | {"kid": "retired"}))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert refused(keys, 1) == "unknown_key"


def test_alarm_outlives_the_leak_and_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    keys = FileKeys(path)
    for number in range(40):
        path.write_bytes(document(OTHER.public_jwk(), {"kid": f"k{number}", "d": "AQ"}))
        assert finds(keys, "other", number * 2)
    path.write_bytes(document(GOOD))
    assert finds(keys, "trusted", 100)
    assert keys.leaked == (*[f"k{number}" for number in range(16)], "other")
    assert keys.health(101).detail["leaked"] == [*keys.leaked]
    assert keys.health(101).ready
