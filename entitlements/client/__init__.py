"""For APIs that ask the service: its answers as types, and a client that reads nothing else as an allow.

It needs the standard library only. docs/client.md shows how it is used.
"""

from entitlements.client.answers import (
    Allow,
    AllowIf,
    Answer,
    Batch,
    BatchAnswer,
    Deny,
    Malformed,
    Obligation,
    Question,
    Refused,
    Unavailable,
)
from entitlements.client.sync import Client
from entitlements.model import CertificateProof, ContractRef, DPoPProof, Proof, Violation

__all__ = [
    "Allow",
    "AllowIf",
    "Answer",
    "Batch",
    "BatchAnswer",
    "CertificateProof",
    "Client",
    "ContractRef",
    "DPoPProof",
    "Deny",
    "Malformed",
    "Obligation",
    "Proof",
    "Question",
    "Refused",
    "Unavailable",
    "Violation",
]
