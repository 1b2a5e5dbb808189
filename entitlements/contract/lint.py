"""What is permitted in a contract and yet rarely meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from entitlements.contract.document import ALWAYS_DECLARED, REGISTERED, ClaimSpec, Contract
from entitlements.contract.links import CODE, link_faults, link_faults_of_step
from entitlements.contract.opaque_tokens import ambiguous
from entitlements.contract.schema_forms import types_of
from entitlements.contract.steps import ContractFile
from entitlements.errors import Fault
from entitlements.profiles import DOCUMENTED_ONLY

_NEGATIVE = re.compile(
    r"(^|[^a-z])(suspended|locked|disabled|blocked|banned|revoked|inactive|deactivated|deleted|expired|frozen|denied"
    r"|restricted|terminated)($|[^a-z])",
    re.IGNORECASE,
)
_POLICIES_SEE = ("access_token", "introspection")
_BOUNDS = {"maxLength", "pattern", "enum", "const", "format"}
_NEGATIVE_FLAG = (
    "Keycloak writes `false` for any text but `true`, so a mistyped attribute lets its bearer in: issue the positive "
    "flag (`active`, `enabled`), for which that is the safe value"
)
_READABLE = {
    "access_token": "clients can read an access token (RFC 9068 section 6)",
    "id_token": "whoever an ID token passes on its way, or is sent as `id_token_hint`, can read it",
    "wrapper_token": "whoever holds a wrapper token can read it",
}
_KEEP_OUT = {
    "pii": "release it by the userinfo endpoint, `tokens: [userinfo]`, or by introspection to the API that needs it",
    "secret": "a secret belongs in no token",
    "identifier": "let the server issue a pseudonymous identifier, and have userinfo say whose it is",
}
_OVERAGE = "Entra leaves the claim out where it is too long: say `overage: [hasgroups, _claim_names]`"


def lint_errors(file: ContractFile, older: ContractFile | None = None) -> list[Fault]:
    """What must not be published, with file and line; older: the version before.

    What `renamed_from` says that no check could follow, and algorithms that leave open what a key is for.
    """
    return [*_unfollowed_links(file, older), *_open_algorithms(file)]


def _open_algorithms(file: ContractFile) -> list[Fault]:
    """RFC 8725 section 3.1: a key is for one algorithm. An issuer's RSA key without `alg` gets it from here."""
    found = [name for name in file.contract.profile.algorithms if name.startswith(("RS", "PS"))]
    if len(found) < 2:
        return []
    path = "tokens.access_token.algorithms"
    text = f"permits {' and '.join(found)}, so that an RSA key without `alg` is bound to neither: permit one of them"
    return [Fault("algorithms_ambiguous", text, file.file, file.lines.line_of(path), path)]


def _unfollowed_links(file: ContractFile, older: ContractFile | None) -> list[Fault]:
    found = {fault.path: fault.message for fault in link_faults_of_step(older.contract, file.contract)} if older else {}
    found = {**found, **dict(link_faults(file.contract))}
    return [Fault(CODE, text, file.file, file.lines.line_of(path), path) for path, text in found.items()]


def lint_opaque(file: ContractFile, older: ContractFile) -> list[Fault]:
    """Warnings: what would keep the version before from being accepted beside this one."""
    one, other = file.contract, older.contract
    if one.profile.audience != other.profile.audience:
        return []
    faults = ambiguous([one, other], file.file)
    return [replace(fault, line=file.lines.line_of(fault.path)) for fault in faults]


def lint(contract: Contract) -> tuple[Fault, ...]:
    """Warnings beyond the faults that keep a contract from loading. Codes are stable."""
    file = f"{contract.name}/{contract.version}.yaml"
    return tuple(Fault(code, message, file, path=path) for code, path, message in _warnings(contract))


def _warnings(contract: Contract) -> Iterator[tuple[str, str, str]]:
    profile = contract.profile
    place = "tokens.access_token"
    if profile.rules.name in DOCUMENTED_ONLY:
        text = f"the profile `{profile.rules.name}` is made from the server's documentation, not tried with the server"
        yield "profile_not_tried", f"{place}.profile", text
    if profile.max_lifetime > 86400:
        yield "lifetime_long", f"{place}.max_lifetime", "a token that leaks is of use for more than a day"
    for claim in contract.claims.values():
        for warning in _of_claim(contract, claim):
            yield warning[0], f"claims.{claim.name}", warning[1]
    for name, scope in contract.scopes.items():
        if not scope.claims and contract.claims:
            yield "scope_releases_nothing", f"scopes.{name}", "the scope releases no claim"
    for consumer in contract.consumers:
        for name in consumer.relies_on:
            if name in contract.claims and not consumer.reads(contract.claims[name].tokens):
                text = f"relies on `{name}`, which stands in none of the kinds of token that it reads"
                yield "consumer_unserved", f"consumers.{consumer.name}", text
    if not contract.consumers:
        yield "no_consumer", "consumers", "no consumer is named, so a change cannot say whom it touches"


def _of_claim(contract: Contract, claim: ClaimSpec) -> Iterator[tuple[str, str]]:
    if not claim.description:
        yield "claim_undescribed", "the claim has no description"
    if "string" in types_of(claim.schema) and not _BOUNDS & claim.schema.keys():
        yield "text_unbounded", "the text has neither a pattern nor a greatest length"
    yield from _exposed(contract, claim)
    if "access_token" in claim.tokens:
        yield from _of_access_token(contract, claim)


def _exposed(contract: Contract, claim: ClaimSpec) -> Iterator[tuple[str, str]]:
    """What is said of personal data and secrets in tokens that are signed and not encrypted: anyone can read them."""
    if claim.sensitivity not in _KEEP_OUT:
        return
    opaque = contract.profile.opaque
    remedy = _KEEP_OUT["identifier" if claim.name in REGISTERED else claim.sensitivity]
    # Where JWTs are introspected too, the claims of an access token stand in answers that no client sees.
    if "access_token" in claim.tokens and not (opaque is not None and opaque.jwts):
        yield "sensitive_claim_in_access_token", f"{_READABLE['access_token']}; {remedy}"
    if "id_token" in claim.tokens:
        yield "sensitive_claim_in_id_token", f"{_READABLE['id_token']}; {remedy}"
    if "wrapper_token" in claim.tokens:
        yield "sensitive_claim_in_wrapper_token", f"{_READABLE['wrapper_token']}; {remedy}"


def _of_access_token(contract: Contract, claim: ClaimSpec) -> Iterator[tuple[str, str]]:
    if claim.schema.get("type") == "boolean" and not claim.required:
        yield "boolean_optional", "a policy may read an absent boolean as the permissive one"
    if _lenient_flag(contract, claim):
        yield "negative_flag", _NEGATIVE_FLAG
    if _overflows(contract, claim):
        yield "overage_unmarked", _OVERAGE
    relied_on = any(consumer.relies(claim.name, _POLICIES_SEE) for consumer in contract.consumers)
    if contract.consumers and not relied_on and claim.name not in ALWAYS_DECLARED:
        yield "claim_unused", "no consumer relies on the claim"


def _lenient_flag(contract: Contract, claim: ClaimSpec) -> bool:
    """Whether a flag that keeps someone out comes from a mapper that turns any text into `false`."""
    boolean = claim.schema.get("type") == "boolean"
    return contract.profile.rules.name == "keycloak" and boolean and _NEGATIVE.search(claim.name) is not None


def _overflows(contract: Contract, claim: ClaimSpec) -> bool:
    """Whether the server leaves a claim out where it does not fit, and the contract takes that for absent."""
    entra = contract.profile.rules.name in ("entra-v1", "entra-v2")
    return entra and claim.extraction.path(claim.name)[0] == "groups" and not claim.extraction.overage
