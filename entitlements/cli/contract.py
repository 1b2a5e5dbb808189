"""`entitlements contract`: its commands, each in a module of its own that is loaded when it is asked for."""

from __future__ import annotations

import click

from entitlements.cli.lazy import LazyGroup

_COMMANDS = {
    "approve": "Accept one finding or one witness of one version step, by the fingerprint that `check` or `lock` "
    "prints.",
    "check": "Compare two versions of a contract: what breaks, whom, and does anyone gain or lose access?",
    "explain": "Tell what a fingerprint that `check` printed represents, and which lines of the policy decide it.",
    "init": "Draft contract NAME from SAMPLES: one access token or one JSON object of claims a line.",
    "lint": "Check contracts and policies and tell every fault and warning at once, with file, line and path.",
    "lock": "Pin contracts and policies as one release, if the way there was proved or approved.",
    "metadata": "Print the protected resource metadata of a contract (RFC 9728), for the API to publish.",
    "rollback": "Lock an earlier release again: the one before, or one of any commit, by the first digits of its "
    "REVISION.",
    "show": "Show a contract: its claims by scope and kind of token. NAME is `orders` (newest) or `orders@1.0.0`.",
    "usage": "Show which rules read which claim: rule, file, line and how.",
    "verify": "Prove again what is locked, and say: same, or different and in what.",
}


@click.group(cls=LazyGroup, loads="entitlements.cli.contract_{}", said=_COMMANDS)
def contract() -> None:
    """Read, check and pin claim contracts."""
