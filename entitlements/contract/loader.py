"""A contract file becomes a `Contract`, or every fault it has at once, each with file, line and path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from marshmallow import ValidationError

from entitlements import positions
from entitlements.contract import schema_subset, shape
from entitlements.contract.actor import actor_faults
from entitlements.contract.consumers import canonical_consumers, consumer_faults, consumers
from entitlements.contract.document import (
    ALWAYS_DECLARED,
    ClaimSpec,
    Contract,
    ObjectSpec,
    RequestSpec,
    ScopeSpec,
)
from entitlements.contract.opaque_tokens import canonical_opaque, opaque_tokens
from entitlements.contract.policy_answer import answer_faults, answer_shape, canonical_policy
from entitlements.contract.sources import extraction, source_faults
from entitlements.contract.token_rules import canonical_binding, canonical_rules, rule_faults, token_rules
from entitlements.contract.trusted_time import canonical_time, time_faults, time_spec
from entitlements.errors import ContractsInvalid, Fault, FolderUnreadable
from entitlements.folder import CEILING, displayed, read_file, read_folder
from entitlements.model import JSON, TokenProfile

MAX_BYTES = 256 * 1024
Place = tuple[str | int, ...]


def load_contract(path: Path, *, named: bool = True) -> Contract:
    """Read and check one contract document.

    path: `<folder>/<name>/<version>.yaml`; named: whether it has to be named so. Raises ContractsInvalid with every
    fault at once.
    """
    return parse_contract(read_text(path, within=path.parent.parent if named else None), path, named=named)


def parse_contract(text: str, path: Path, *, named: bool = True) -> Contract:
    """Check the text of one contract document, as `load_contract` does with what stands in the file."""
    located = positions.read(text)
    found: list[tuple[Place, str]] = []
    if located.faults:
        raise ContractsInvalid(
            "contract_invalid",
            f"`{path}` is no valid contract",
            [Fault("contract_invalid", text, str(path), line, _dotted(place)) for line, place, text in located.faults],
        )
    try:
        document = shape.ContractShape().load(located.value)  # type: ignore[arg-type]
        found.extend(_across(document, path if named else None))
    except ValidationError as error:
        document = {}
        found.extend(shape.faults(error.messages))
        found.extend(_schemas(located.value))
    if found:
        faults = [
            Fault("contract_invalid", text, str(path), located.line(place), _dotted(place)) for place, text in found
        ]
        faults.sort(key=lambda fault: (fault.line, fault.path, fault.message))
        raise ContractsInvalid("contract_invalid", f"`{path}` is no valid contract", faults)
    return _freeze(document)


def is_contract(path: PurePosixPath) -> bool:
    """Whether a path below the contracts folder is that of a contract: `<name>/<version>.yaml`."""
    return len(path.parts) == 2 and path.suffix == ".yaml" and re.match(shape.VERSION, path.stem) is not None


def contract_files(folder: Path) -> list[Path]:
    """Every `<name>/<version>.yaml` under the folder, by name; none where there is no folder.

    Raises ContractsInvalid where one cannot be read.
    """
    found, faults = readable_contracts(folder)
    if faults:
        raise ContractsInvalid("contract_unreadable", f"the contracts in `{displayed(folder)}` cannot be read", faults)
    return found


def readable_contracts(folder: Path) -> tuple[list[Path], list[Fault]]:
    """The same of those that can be read, and a fault for each one that cannot."""
    if not folder.is_dir():
        return [], []
    limits = replace(CEILING, file_bytes=MAX_BYTES)
    try:
        names = read_folder(folder, is_contract, limits, depth=2, code="contract_unreadable")
    except FolderUnreadable as error:
        return [folder / name for name in error.readable], [*error.faults]
    return [folder / name for name in names], []


def read_text(path: Path, *, within: Path | None = None) -> str:
    """The text of a plain file of bounded size. within: the folder that a link must not leave.

    Raises ContractsInvalid.
    """
    try:
        return read_file(path, MAX_BYTES, within=within, code="contract_unreadable").decode("utf-8")
    except FolderUnreadable as error:
        raise ContractsInvalid("contract_unreadable", error.message, error.faults) from None
    except UnicodeDecodeError:
        fault = Fault("contract_unreadable", "the file is not valid UTF-8", displayed(path))
        raise ContractsInvalid("contract_unreadable", str(fault), [fault]) from None


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _across(document: Mapping[str, Any], path: Path | None) -> Iterator[tuple[Place, str]]:
    """What the shape alone cannot tell: references between parts, and the file's own name."""
    if path and (path.parent.name, path.name) != (document["contract"], f"{document['version']}.yaml"):
        yield ("contract",), f"the file must be `{document['contract']}/{document['version']}.yaml`"
    claims = document["claims"]
    if not claims and not document["scopes"]:
        yield ("claims",), "a contract needs one claim or one scope: with neither, any token of the issuer is the same"
    if not document["tokens"]["access_token"]["algorithms"]:
        yield ("tokens", "access_token", "algorithms"), "one algorithm or more is needed"
    yield from rule_faults(document)
    yield from _schemas(document)
    yield from _names(document)
    yield from source_faults(claims, ALWAYS_DECLARED)
    yield from consumer_faults(document)
    yield from _request(document["request"])
    yield from time_faults(document)
    yield from answer_faults(document)


def _names(document: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    claims = document["claims"]
    for name in claims:
        if name in ("nbf", "scope"):
            yield ("claims", name), f"`{name}` is built in and cannot be declared"
        if not claims[name]["tokens"]:
            yield ("claims", name, "tokens"), "a claim appears in one kind of token or more"
        yield from actor_faults(name, claims[name])
    for index, name in enumerate(document["removed"]):
        if name in claims or name in ALWAYS_DECLARED:
            yield ("removed", index), f"`{name}` was removed and may not be declared again"
    for scope, members in document["scopes"].items():
        for index, name in enumerate(members["claims"]):
            if name not in claims:
                yield ("scopes", scope, "claims", index), f"the claim `{name}` is not declared"


def _request(request: Mapping[str, Any] | None) -> Iterator[tuple[Place, str]]:
    if request is None:
        return
    if not request["actions"] or not request["resources"]:
        yield ("request",), "a request needs one action and one resource type or more"
    objects = {("request", "resources", name): spec for name, spec in request["resources"].items()}
    objects["request", "context"] = request["context"]  # type: ignore[index]
    for place, spec in objects.items():
        for name in spec["required"]:
            if name not in spec["properties"]:
                yield (*place, "required"), f"`required` names `{name}`, which is no property"


def _schemas(document: Any) -> Iterator[tuple[Place, str]]:
    """The faults of every schema in the document, also in one whose shape is broken elsewhere."""
    for place in (("claims",), ("request", "resources"), ("request", "context")):
        part = document
        for key in place:
            part = part.get(key) if isinstance(part, Mapping) else None
        if not isinstance(part, Mapping):
            continue
        if place == ("claims",):
            for name, claim in part.items():
                if isinstance(claim, Mapping) and "schema" in claim:
                    yield from schema_subset.faults(claim["schema"], ("claims", name, "schema"))
            continue
        objects = {place: part} if place[-1] == "context" else {(*place, name): spec for name, spec in part.items()}
        for where, spec in objects.items():
            properties = spec.get("properties") if isinstance(spec, Mapping) else None
            for name, schema in properties.items() if isinstance(properties, Mapping) else ():
                yield from schema_subset.faults(schema, (*where, "properties", name))


def _freeze(document: Mapping[str, Any]) -> Contract:
    access = document["tokens"]["access_token"]
    claims = {
        name: ClaimSpec(
            name=name,
            schema=schema_subset.normalised(claim["schema"]),  # type: ignore[arg-type]
            required=claim["required"],
            sensitivity=claim["sensitivity"],
            tokens=tuple(sorted(claim["tokens"])),
            description=claim["description"],
            renamed_from=claim["renamed_from"],
            extraction=extraction(name, claim),
            actor=claim["actor"],
        )
        for name, claim in document["claims"].items()
    }
    scopes = {
        name: ScopeSpec(name, scope["description"], tuple(sorted(scope["claims"])))
        for name, scope in document["scopes"].items()
    }
    return Contract(
        name=document["contract"],
        version=document["version"],
        description=document["description"],
        profile=TokenProfile(
            document["issuer"],
            document["audience"],
            tuple(sorted(access["algorithms"])),
            access["max_lifetime"],
            token_rules(access),
            access["sender_constrained"],
            opaque_tokens(access),
        ),
        decision_path="/".join([*document["policy"]["package"].split("."), document["policy"]["rule"]]),
        reject_undeclared=document["undeclared_claims"] == "reject",
        claims=claims,
        scopes=scopes,
        removed=tuple(sorted(document["removed"])),
        consumers=consumers(document),
        request=_freeze_request(document["request"]),
        canonical=_canonical(document, claims, scopes),
        time=time_spec(document),
        answer=answer_shape(document),
    )


def _freeze_request(request: Mapping[str, Any] | None) -> RequestSpec | None:
    if request is None:
        return None
    return RequestSpec(
        tuple(sorted(request["actions"])),
        {name: _freeze_object(spec) for name, spec in request["resources"].items()},
        _freeze_object(request["context"]),
    )


def _freeze_object(spec: Mapping[str, Any]) -> ObjectSpec:
    properties = {name: schema_subset.normalised(schema) for name, schema in spec["properties"].items()}
    return ObjectSpec(properties, tuple(sorted(spec["required"])))  # type: ignore[arg-type]


def _canonical(
    document: Mapping[str, Any], claims: Mapping[str, ClaimSpec], scopes: Mapping[str, ScopeSpec]
) -> dict[str, JSON]:
    """The document with its defaults filled in, its sets sorted and its prose left out."""
    access = document["tokens"]["access_token"]
    request = _freeze_request(document["request"])
    return {
        "contract": document["contract"],
        "version": document["version"],
        "issuer": document["issuer"],
        "audience": document["audience"],
        "policy": canonical_policy(document),
        "tokens": {
            "access_token": {
                "profile": access["profile"],
                "algorithms": sorted(access["algorithms"]),
                "max_lifetime": access["max_lifetime"],
                **canonical_rules(token_rules(access)),
                **canonical_binding(access["sender_constrained"]),
                **canonical_opaque(access),
            }
        },
        "undeclared_claims": document["undeclared_claims"],
        "claims": {name: claim.canonical() for name, claim in claims.items()},
        "scopes": {name: list(scope.claims) for name, scope in scopes.items()},
        "removed": sorted(document["removed"]),
        "consumers": canonical_consumers(document),
        "request": None
        if request is None
        else {
            "actions": list(request.actions),
            "resources": {name: spec.schema() for name, spec in request.resources.items()},
            "context": request.context.schema(),
        },
        **canonical_time(document),
    }
