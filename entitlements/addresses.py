"""Addresses that secrets and keys may go to: by TLS, or to this very machine. Imports nothing of ours."""

from __future__ import annotations

from urllib.parse import SplitResult

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts as an address names them. A name is only resolved on this machine where it is `localhost` (RFC 6761 6.3)."""


def is_confidential(parts: SplitResult) -> bool:
    """Whether no one between can read or change what is sent there: `https`, or `http` on a loopback host."""
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
