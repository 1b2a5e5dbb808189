"""What a contract marks as pii is written as a keyed hash, and weak or open keys are not taken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import random
import re
import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from entitlements.decision_log import DecisionRecord, Masking, MaskKey, read_mask_keys
from entitlements.errors import StartupFault
from entitlements.model import VerifiedClaims

SECRET = hashlib.sha512(b"only in this test").digest()[:32]
GOOD = base64.b64encode(SECRET).decode()
RECORD = DecisionRecord(time="t", decision_id="d", request_id="", effect="deny")
CLAIMS = VerifiedClaims(
    {"sub": "emp-7", "client_id": "emp-7"}, "https://a.example.com", "https://api.example.com", "ES256", 1.0, 1.0
)
PII = {"sub": "pii", "client_id": "pii"}


def identified(masking: Masking, claims: VerifiedClaims = CLAIMS) -> tuple[str, str]:
    record = masking.identify(RECORD, claims, PII)
    return record.subject, record.client_id


def test_masked_value_is_the_hmac_of_issuer_claim_and_value() -> None:
    message = b'["entitlements decision log 1","https://a.example.com","sub","emp-7"]'
    wanted = "hmac-sha256:2026-01:" + hmac.new(SECRET, message, hashlib.sha256).hexdigest()
    assert identified(Masking(MaskKey("2026-01", SECRET)))[0] == wanted


def test_masked_value_is_the_same_for_one_person_and_another_for_everybody_else() -> None:
    masking = Masking(MaskKey("k", SECRET))
    subject, client_id = identified(masking)
    assert identified(Masking(MaskKey("k", SECRET))) == (subject, client_id)
    elsewhere = identified(masking, replace(CLAIMS, issuer="https://b.example.com"))
    other_key = identified(Masking(MaskKey("k", SECRET[::-1])))
    another = identified(masking, replace(CLAIMS, values={"sub": "emp-8", "client_id": "emp-8"}))
    assert len({subject, client_id, *elsewhere, *other_key, *another}) == 8


def test_masked_value_holds_no_hash_that_can_be_tried() -> None:
    known = [hashlib.sha256(b"emp-7").hexdigest(), hmac.new(b"", b"emp-7", hashlib.sha256).hexdigest()]
    for value in identified(Masking()):
        assert not any(digest in value for digest in known)


def test_without_a_key_each_start_masks_differently_and_says_so() -> None:
    first, second = identified(Masking())[0], identified(Masking())[0]
    assert first != second
    for value in (first, second):
        assert re.fullmatch(r"hmac-sha256:ephemeral:[0-9a-f]{64}", value)
    assert Masking().detail(masks=True) == {"mask_key": "ephemeral", "alarms": [{"code": "mask_key_ephemeral"}]}
    assert Masking(MaskKey("2026-01", SECRET)).detail(masks=True) == {"mask_key": "2026-01", "alarms": []}
    assert Masking().detail(masks=False) == {}


@pytest.mark.parametrize(
    ("sensitivity", "logged"), [("public", "emp-7"), ("internal", "emp-7"), ("secret", ""), ("a new word", "")]
)
def test_only_what_is_public_or_internal_is_written_as_it_is(sensitivity: str, logged: str) -> None:
    record = Masking().identify(RECORD, CLAIMS, {"sub": sensitivity})
    assert (record.subject, record.client_id) == (logged, "emp-7")


def test_key_is_not_shown() -> None:
    assert "secret" not in repr(MaskKey("k", SECRET))


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "mask.keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def refusals(path: Path) -> list[str]:
    with pytest.raises(StartupFault) as caught:
        read_mask_keys(path)
    assert caught.value.code == "mask_keys_unusable"
    assert all(fault.file == str(path) for fault in caught.value.faults)
    return [f"{fault.line} {fault.message}" for fault in caught.value.faults]


def test_first_key_of_the_file_is_used_and_older_ones_may_stay(tmp_path: Path) -> None:
    other = base64.b64encode(SECRET[::-1]).decode()
    path = key_file(tmp_path, f"# the newest first\n\n2026-02: {GOOD}\n  2026-01:\t{other}  \n")
    assert read_mask_keys(path) == (MaskKey("2026-02", SECRET), MaskKey("2026-01", SECRET[::-1]))


def test_what_openssl_makes_is_taken(tmp_path: Path) -> None:
    for _ in range(100):
        path = key_file(tmp_path, "k: " + base64.b64encode(secrets.token_bytes(32)).decode())
        assert len(read_mask_keys(path)) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o660, 0o601])
def test_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    (told,) = refusals(key_file(tmp_path, f"k: {GOOD}", mode))
    assert f"{mode:04o}" in told
    assert "chmod 600" in told


def test_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path, f"k: {GOOD}")
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away; CI runs as root")
    os.chown(path, 65534, 65534)
    (told,) = refusals(path)
    assert "another user" in told


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a regular file" in refusals(tmp_path / "pipe")[0]
    assert "not a regular file" in refusals(tmp_path)[0]
    assert "cannot be read" in refusals(tmp_path / "absent")[0]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (base64.b64encode(SECRET[:31]).decode(), "31 bytes"),
        (base64.b64encode(random.Random(1025).randbytes(1025)).decode(), "1025 bytes"),
        (base64.b64encode(bytes(32)).decode(), "a pattern"),
        (base64.b64encode(bytes(range(32))).decode(), "a pattern"),
        (base64.b64encode(SECRET[:8] * 4).decode(), "a pattern"),
        (base64.b64encode(b"correct horse battery staple, twice over").decode(), "readable characters"),
        (base64.b64encode(hashlib.sha256(b"changeme").digest()).decode(), "publicly known"),
        ("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG+Onbc6mxCcYg=", "publicly known"),
        (GOOD[:-1], "not base64"),
        (GOOD + "=", "not base64"),
        ("not base64 at all!", "not `key-id: base64`"),
        ("", "not `key-id: base64`"),
    ],
    ids=lambda value: value[:20],
)
def test_weak_key_is_refused_with_its_line_and_not_quoted(tmp_path: Path, key: str, why: str) -> None:
    (told,) = refusals(key_file(tmp_path, f"# keys\nk: {key}\n"))
    assert told.startswith("2 ")
    assert why in told
    assert "openssl rand -base64 32" in told
    assert not key or key not in told


@pytest.mark.parametrize("identifier", ["ephemeral", "", "K", "a b", "-a", "a" * 33, "é"])
def test_key_id_that_cannot_be_written_is_refused(tmp_path: Path, identifier: str) -> None:
    refusals(key_file(tmp_path, f"{identifier}: {GOOD}"))


def test_every_fault_of_the_file_is_told_at_once(tmp_path: Path) -> None:
    other = base64.b64encode(SECRET[::-1]).decode()
    told = refusals(key_file(tmp_path, f"a: {GOOD}\na: {other}\nb: {GOOD}\nc\n"))
    assert [line[0] for line in told] == ["2", "3", "4"]
    assert "twice" in told[0]
    assert "`a` under another id" in told[1]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n"])
def test_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    assert "holds no key" in refusals(key_file(tmp_path, text))[0]


def test_file_that_is_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    assert "larger" in refusals(key_file(tmp_path, "# \n" * 40_000))[0]
    path = tmp_path / "mask.keys"
    path.write_bytes(b"\xff\x00")
    path.chmod(0o600)
    assert "not ASCII" in refusals(path)[0]
