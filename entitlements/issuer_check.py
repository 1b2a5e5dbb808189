"""Whether an authorization server, as it describes itself, can honour a contract, and what to set on it if not.

What a server says of itself is its metadata and its key set. What its tokens hold stands in neither: for that there is
`entitlements token inspect` on a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from entitlements.contract import Contract
from entitlements.profiles import remedy, server_of
from entitlements.token import IssuerMetadata, KeySet, bound_algorithms

HOLDS, FAILS, UNKNOWN = "holds", "fails", "unknown"
# How this service can say who it is to an introspection endpoint.
_CLIENT_AUTHENTICATION = ("client_secret_basic", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth")


@dataclass(frozen=True, slots=True)
class IssuerFinding:
    """One thing that was looked at.

    check: its name; state: `holds`, `fails` or `unknown`; text: what was found; remedy: what to set, where it fails.
    """

    check: str
    state: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """What a server says of itself.

    metadata: None where none counts, metadata_problem says why; keys: None where none could be had, keys_problem says
    why; introspection_problem: why the introspection endpoint of the metadata is not asked, empty where it is;
    keys_by_hand: the address of the key set, where the deployment says it.
    """

    metadata: IssuerMetadata | None
    metadata_problem: str = ""
    keys: KeySet | None = None
    keys_problem: str = ""
    introspection_problem: str = ""
    keys_by_hand: str = ""


def judge_issuer(issuer: str, described: Described, contract: Contract | None) -> tuple[IssuerFinding, ...]:
    """Hold what a server says of itself against a contract, or look at it alone."""
    return tuple(_findings(issuer, described, contract))


def honours(findings: Sequence[IssuerFinding]) -> bool:
    """Whether nothing fails."""
    return all(finding.state != FAILS for finding in findings)


def _findings(issuer: str, described: Described, contract: Contract | None) -> Iterator[IssuerFinding]:
    looks_like = _server(described.metadata)
    server = contract.profile.rules.name if contract and contract.profile.rules.name != "rfc9068" else looks_like
    if contract is not None and contract.profile.issuer != issuer:
        text = f"`{contract.name}@{contract.version}` pins `{contract.profile.issuer}`, octet for octet"
        yield IssuerFinding("issuer", FAILS, text, remedy(server, "issuer"))
    yield _metadata(described, server)
    yield from _keys(described, server)
    if contract is not None and described.keys is not None:
        yield from _algorithms(described.keys, contract, server)
    if contract is not None:
        yield _token_type(contract, looks_like)
        yield from _scopes(described.metadata, contract, server)
        yield from _binding(described.metadata, contract, server)
    yield from _introspection(described, contract, server)


def _server(metadata: IssuerMetadata | None) -> str:
    if metadata is None:
        return ""
    names = ("jwks_uri", "authorization_endpoint", "token_endpoint")
    return server_of(metadata.issuer, " ".join(metadata.string(name) or "" for name in names))


def _metadata(described: Described, server: str) -> IssuerFinding:
    if described.metadata is None:
        # Nothing here reads it where the address of the key set is set by hand.
        state = UNKNOWN if described.keys_by_hand else FAILS
        return IssuerFinding("metadata", state, described.metadata_problem, remedy(server, "issuer"))
    return IssuerFinding("metadata", HOLDS, f"`issuer` is the issuer, at {described.metadata.url}")


def _keys(described: Described, server: str) -> Iterator[IssuerFinding]:
    keys = described.keys
    if keys is None:
        yield IssuerFinding("keys", FAILS, described.keys_problem, remedy(server, "keys"))
        return
    leaked = sorted({skipped.name for skipped in keys.skipped if skipped.leaked})
    if leaked:
        text = f"the private part of {', '.join(leaked)} is published: whoever read it can sign as the issuer"
        yield IssuerFinding("keys", FAILS, text, "make new keys immediately, and publish public parts only")
    if not keys.keys:
        text = f"none of {len(keys.skipped)} members can be used: {_reasons(keys)}"
        yield IssuerFinding("keys", FAILS, text, remedy(server, "keys"))
        return
    unused = f"; {len(keys.skipped)} are not used: {_reasons(keys)}" if keys.skipped else ""
    yield IssuerFinding("keys", HOLDS, f"{len(keys.keys)} can verify{unused}")
    nameless = sum(key.kid is None for key in keys.keys)
    if nameless and len(keys.keys) > 1:
        text = f"{nameless} have no `kid`: tokens of them are refused where another key is for the same algorithm"
        yield IssuerFinding("keys", UNKNOWN, text, "name every key by a `kid`")


def _reasons(keys: KeySet) -> str:
    return ", ".join(sorted({skipped.reason for skipped in keys.skipped}))


def _algorithms(keys: KeySet, contract: Contract, server: str) -> Iterator[IssuerFinding]:
    permitted = contract.profile.algorithms
    published = bound_algorithms(keys, permitted)
    common = [name for name in permitted if name in published]
    open_keys = [key for key in keys.keys if not bound_algorithms(keys, permitted, key)]
    if not common:
        found = ", ".join(sorted({key.algorithm for key in keys.keys if key.declared})) or "no `alg`"
        text = f"no key is for {' or '.join(permitted)}, which the contract lists; the keys say {found}"
        yield IssuerFinding("algorithms", FAILS, text, remedy(server, "algorithm"))
    else:
        yield IssuerFinding("algorithms", HOLDS, f"keys for {', '.join(common)}")
    ambiguous = [key for key in open_keys if not key.declared and key.algorithm.startswith(("RS", "PS"))]
    if ambiguous and len([name for name in permitted if name.startswith(("RS", "PS"))]) > 1:
        text = f"{len(ambiguous)} keys have no `alg`, and the contract permits two algorithms that fit: none verifies"
        yield IssuerFinding("algorithms", FAILS, text, "permit one of them, or publish `alg`")


def _token_type(contract: Contract, looks_like: str) -> IssuerFinding:
    rules = contract.profile.rules
    if looks_like and rules.name not in (looks_like, "generic"):
        state = UNKNOWN if rules.name == "rfc9068" else FAILS
        text = f"the server looks like {looks_like}, and the contract's profile is `{rules.name}`"
        return IssuerFinding("token_type", state, text, remedy(looks_like, "type"))
    types = ", ".join(f"`{name}`" if name else "none" for name in rules.header_types)
    text = f"the profile `{rules.name}` takes the header types {types}; what the server sends, one of its tokens tells"
    return IssuerFinding("token_type", UNKNOWN, text, "entitlements token inspect --token-file token.jwt")


def _scopes(metadata: IssuerMetadata | None, contract: Contract, server: str) -> Iterator[IssuerFinding]:
    listed = metadata.strings("scopes_supported") if metadata else None
    if not contract.scopes or listed is None:
        return
    missing = sorted({*contract.scopes} - {*listed})
    if not missing:
        yield IssuerFinding("scopes", HOLDS, "the metadata lists every scope of the contract")
    else:
        # RFC 8414 section 2: a server may choose not to list all.
        text = f"the metadata does not list {', '.join(missing)}; it need not list all"
        yield IssuerFinding("scopes", UNKNOWN, text, remedy(server, "scopes"))


def _binding(metadata: IssuerMetadata | None, contract: Contract, server: str) -> Iterator[IssuerFinding]:
    if contract.profile.sender_constrained != "required" or metadata is None:
        return
    dpop = metadata.strings("dpop_signing_alg_values_supported")
    if dpop or metadata.members.get("tls_client_certificate_bound_access_tokens") is True:
        yield IssuerFinding("binding", HOLDS, "the server binds tokens, by DPoP or a client certificate")
    else:
        text = "the contract takes bound tokens only, and the metadata names neither DPoP nor client certificates"
        yield IssuerFinding("binding", FAILS, text, remedy(server, "binding"))


def _introspection(described: Described, contract: Contract | None, server: str) -> Iterator[IssuerFinding]:
    needed = contract is not None and contract.profile.opaque is not None
    metadata = described.metadata
    if metadata is None or (not needed and metadata.string("introspection_endpoint") is None):
        return
    state = FAILS if needed else UNKNOWN
    if described.introspection_problem:
        fix = remedy(server, "introspection") if needed else ""
        yield IssuerFinding("introspection", state, described.introspection_problem, fix)
        return
    methods = metadata.strings("introspection_endpoint_auth_methods_supported")
    if methods is not None and not {*methods} & {*_CLIENT_AUTHENTICATION}:
        text = f"the endpoint takes none of {', '.join(_CLIENT_AUTHENTICATION)}"
        yield IssuerFinding("introspection", state, text, "permit one of them to the client that introspects")
        return
    used = "the contract permits opaque tokens" if needed else "no contract here permits opaque tokens"
    yield IssuerFinding("introspection", HOLDS, f"the endpoint may be asked; {used}")
