"""Input that is no text, no token and no address is reported in a sentence, and a token is never repeated."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1XzEifQ.c2lnbmF0dXJl"
READ = ("authorize", "--audience", "https://orders.example.com", "--action", "read", "--resource", "order:42")


class World:
    """Commands over the sample contracts with a key of their own."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(ROOT / "contracts", folder / "contracts")
        self.key = folder / "keys" / "signing.jwk"
        self.environment: dict[str, str | None] = {
            "ENTITLEMENTS_CONTRACTS": str(folder / "contracts"),
            "ENTITLEMENTS_POLICIES": str(ROOT / "policies"),
            "ENTITLEMENTS_KEYS": f"https://login.example.com={folder / 'keys' / 'jwks.json'}",
        }
        self.run("token", "keygen", "--out", str(folder / "keys"))

    def run(self, *arguments: str, sent: bytes = b"", **settings: str) -> Result:
        result = CliRunner().invoke(main, arguments, input=sent, env={**self.environment, **settings})
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        return result


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("given", [TOKEN, f"Bearer {TOKEN}", f" {TOKEN}\n", TOKEN.rpartition(".")[0] + "."])
@pytest.mark.parametrize("command", [("token", "inspect"), READ, ("serve",)], ids=lambda command: command[0])
def test_token_as_an_argument_is_refused_and_not_repeated(world: World, command: tuple[str, ...], given: str) -> None:
    result = world.run(*command, given)
    assert result.exit_code == 2
    assert "from a file or standard input" in result.stderr
    assert "eyJ" not in result.output


OCTETS = {
    "UTF-16": TOKEN.encode("utf-16"),
    "bad UTF-8": b"\xff\xfe",
    "NUL": TOKEN.encode() + b"\0",
    "byte order mark": b"\xef\xbb\xbf" + TOKEN.encode(),
    "a terminal's own letters": b"\x1b[2J" + TOKEN.encode(),
    "hard blank behind": TOKEN.encode() + "\u00a0".encode(),
}


@pytest.mark.parametrize("name", OCTETS)
def test_octets_that_are_no_token_are_a_refusal(world: World, name: str) -> None:
    for command in (READ, ("token", "inspect")):
        result = world.run(*command, sent=OCTETS[name])
        assert result.exit_code == 3, result.output
        assert "base64url parts" in result.output
        assert "eyJ" not in result.output


@pytest.mark.parametrize("sample", [b"\xff", b'{"a": "\xff"}', b"\x00", TOKEN.encode("utf-16"), b"{", b"[]", b'"eyJ"'])
def test_sample_that_is_no_text_is_a_usage_error(world: World, sample: bytes) -> None:
    result = world.run("contract", "init", "parcels", sent=sample)
    assert result.exit_code == 2
    assert "line 1: " in result.stderr
    assert "eyJ" not in result.output


def test_draft_that_cannot_be_written_is_told(world: World, tmp_path: Path) -> None:
    sample = b'{"iss": "https://a.example", "aud": "https://b.example", "sub": "u", "x": "\xc3\xa9"}'
    (tmp_path / "file").write_text("")
    result = world.run("contract", "init", "parcels", "--out", str(tmp_path / "file" / "1.0.0.yaml"), sent=sample)
    assert result.exit_code == 1
    assert "cannot write" in result.stderr
    assert world.run("contract", "init", "parcels", sent=sample).exit_code == 0


def test_token_that_is_too_large_is_a_refusal(world: World) -> None:
    for command in (READ, ("token", "inspect")):
        result = world.run(*command, sent=b"a" * 100_000)
        assert result.exit_code == 3
        assert "longer than 16384 bytes" in result.output


@pytest.mark.parametrize("option", ["--subject", "--client-id", "--scope", "--typ", "--contract"])
def test_argument_that_is_no_text_is_a_usage_error(world: World, option: str) -> None:
    """What a shell passes on of octets that are not UTF-8."""
    result = world.run("token", "mint", "--key", str(world.key), "--contract", "orders", option, "a\udcff")
    assert result.exit_code == 2
    assert "not valid UTF-8" in result.stderr


def test_claim_that_is_no_text_is_a_usage_error(world: World) -> None:
    result = world.run("token", "mint", "--key", str(world.key), "--contract", "orders", "--claim", "a=\udcff")
    assert result.exit_code == 2
    assert "not valid UTF-8" in result.stderr


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b"[" * 100_000, b'{"kty": "RSA"}', b"null"], ids=ascii)
def test_key_that_is_none_is_a_usage_error(world: World, content: bytes) -> None:
    world.key.write_bytes(content)
    result = world.run("token", "mint", "--key", str(world.key), "--contract", "orders")
    assert result.exit_code == 2
    assert "no private JWK" in result.stderr


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nowhere.invalid:8080", "[a-z ]*name[a-z ]*"),
        ("..:8080", "no such address"),
        (f"{'a' * 64}.example:8080", "no such address"),
        ("192.0.2.1:8080", "cannot assign requested address"),
    ],
)
def test_address_that_cannot_be_listened_on_is_told_in_words(world: World, address: str, said: str) -> None:
    result = world.run("serve", ENTITLEMENTS_LISTEN=address)
    assert result.exit_code == 2
    assert re.search(rf"cannot listen on `{re.escape(address)}`: {said}, set ENTITLEMENTS_LISTEN", result.stderr)
