"""OPA's bundle signature of a release: made by OPA itself, and held against the revision here.

The signature is a JWT over the digests of all files (OPA, bundle signing), with the revision among its claims. OPAs
elsewhere verify the digests; the service verifies the signature, and that it names the revision it computed itself.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import jwt

from entitlements import strict_json
from entitlements.errors import Fault, JSONRefused, StartupFault
from entitlements.files import write_files
from entitlements.release.archive import read_archive
from entitlements.release.release import SIGNATURES, Release, make_release

# RFC 7518 section 3.1: signatures by a private key only, never a shared secret.
ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
KEY_ID = "release"
_SECONDS = 60


def sign_release(release: Release, opa: Path, key: Path, algorithm: str) -> Release:
    """The release with OPA's signature by a private key (PEM). Raises StartupFault `release_unsigned`."""
    with tempfile.TemporaryDirectory(prefix="entitlements-sign-") as work:
        folder, claims = Path(work) / "bundle", Path(work) / "claims.json"
        write_files(folder, read_archive(release.loaded()))
        claims.write_text(json.dumps({"entitlements": {"revision": release.revision}, "keyid": KEY_ID}))
        command = [
            "sign",
            "--signing-key",
            str(key.resolve()),
            "--signing-alg",
            algorithm,
            "--claims-file",
            str(claims),
        ]
        try:
            done = subprocess.run(
                [str(opa), *command, "--output-file-path", work, "--bundle", "."],
                cwd=folder,
                env={},
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            raise _unsigned("OPA could not be run to sign it") from None
        if done.returncode != 0:
            raise _unsigned("OPA could not sign it with this key and algorithm")
        return make_release(release.content, (Path(work) / SIGNATURES).read_bytes())


def verify_release(release: Release, key: bytes) -> None:
    """Raise StartupFault `release_unsigned` unless the holder of the private key signed just this release.

    key: the public key, PEM.
    """
    if release.signatures is None:
        raise _unsigned("it is not signed, and a verify key is set: run `entitlements release sign`")
    claims = _claims(release.signatures, key)
    about = claims.get("entitlements")
    if not isinstance(about, dict) or about.get("revision") != release.revision:
        raise _unsigned("its signature is of another release")


def _claims(signatures: bytes, key: bytes) -> dict[str, Any]:
    try:
        document: Any = strict_json.loads(signatures)
        (token,) = document["signatures"]
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            options={"verify_signature": True, "verify_exp": True, "verify_aud": False, "require": []},
        )
    except (JSONRefused, jwt.PyJWTError, KeyError, TypeError, ValueError):
        raise _unsigned("its signature does not hold by the verify key") from None
    return claims


def _unsigned(why: str) -> StartupFault:
    return StartupFault("release_unsigned", f"the release: {why}", [Fault("release_unsigned", f"the release: {why}")])
