"""Whether who sent a bound token holds its key: the token's binding, the proof, and what was used before."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from entitlements.errors import Challenge
from entitlements.model import CertificateProof, DPoPProof, Proof
from entitlements.token.binding import DPOP, Binding
from entitlements.token.codes import Refusal, refuse
from entitlements.token.dpop import INVALID_PROOF, MAX_AGE, CheckedProof, check_proof
from entitlements.token.nonces import Nonces
from entitlements.token.replay import ProofMemory, Use

# A proof is cached for longer than it is good, so that no rounding lets it pass a second time.
_LONGER = 1
_DPOP = Challenge(("DPoP",))


@dataclass(frozen=True, slots=True)
class Possession:
    """Checks proofs of possession.

    memory: of used proofs; nonces: of this service; leeway: seconds of clock difference. Shared by the verifiers of all
    pairs, so that a proof that was used for one is used for all.
    """

    memory: ProofMemory
    nonces: Nonces
    leeway: float

    def check(self, binding: Binding | None, proof: Proof | None, token: str, *, now: float, owner: str) -> None:
        """Refuse a bound token whose sender does not prove to hold its key, and use the proof up.

        owner: of the decision. Raises TokenRejected proof_missing, proof_unexpected, proof_mismatch, proof_invalid,
        proof_nonce or proof_replayed.
        """
        if binding is None:
            # A certificate is a matter of the connection, and stands beside tokens that are bound to none; a DPoP proof
            # is sent with the token, and its key has to be the token's (RFC 9449 section 4.3, item 12).
            if isinstance(proof, DPoPProof):
                raise refuse(Refusal.PROOF_UNEXPECTED, "a DPoP proof came with a token that is bound to no key", _DPOP)
        elif binding.method == DPOP:
            if not isinstance(proof, DPoPProof):
                raise refuse(Refusal.PROOF_MISSING, "the token is bound to a key and no DPoP proof came", _DPOP)
            self._check_dpop(binding, proof, token, now, owner)
        else:
            _check_certificate(binding, proof)

    def _check_dpop(self, binding: Binding, proof: DPoPProof, token: str, now: float, owner: str) -> None:
        checked = check_proof(proof, token, now=now, leeway=self.leeway)
        if not hmac.compare_digest(checked.thumbprint.encode(), binding.thumbprint.encode()):
            raise refuse(Refusal.PROOF_MISMATCH, "the DPoP proof is by another key than the token's", _DPOP)
        use = self._use(checked, now, owner)
        if use is Use.REPLAYED:
            raise refuse(Refusal.PROOF_REPLAYED, "the DPoP proof was used before", INVALID_PROOF)
        if use is not Use.FIRST:
            challenge = Challenge(("DPoP",), "use_dpop_nonce", self.nonces.issue(now))
            raise refuse(Refusal.PROOF_NONCE, "the DPoP proof needs a nonce of this service", challenge)

    def _use(self, checked: CheckedProof, now: float, owner: str) -> Use:
        made_at = None if checked.nonce is None else self.nonces.made_at(checked.nonce, now)
        if checked.nonce is not None and made_at is None:
            return Use.UNKNOWN
        return self.memory.use(
            checked.name,
            owner,
            issued_at=checked.issued_at,
            nonce_made_at=made_at,
            expires_at=checked.issued_at + MAX_AGE + _LONGER,
            now=now,
        )


def _check_certificate(binding: Binding, proof: Proof | None) -> None:
    """RFC 8705 section 3: the certificate of the connection is the one that the token was issued over."""
    if not isinstance(proof, CertificateProof):
        raise refuse(Refusal.PROOF_MISSING, "the token is bound to a certificate and none was told of")
    if not hmac.compare_digest(proof.thumbprint.encode(), binding.thumbprint.encode()):
        raise refuse(Refusal.PROOF_MISMATCH, "the certificate is another than the token's")
