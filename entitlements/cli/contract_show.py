"""`entitlements contract show`: a contract for a person, as JSON, or as the schema of the policy input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from entitlements.cli import render
from entitlements.cli.contract_pick import pick
from entitlements.contract import ClaimSpec, Contract, input_schema, is_map, types_of
from entitlements.errors import StartupFault
from entitlements.model import TokenProfile, TokenRules
from entitlements.profiles import told


@click.command(
    epilog="\b\nExamples:\n  entitlements contract show orders\n"
    "  entitlements contract show orders@1.0.0 --json-schema > schemas/orders.json"
)
@click.argument("name")
@click.option("--json-schema", is_flag=True, help="The policy input's schema, for `opa check --schema`.")
@render.format_option
def show(name: str, json_schema: bool, form: str) -> None:
    """Show a contract: its claims by scope and kind of token. NAME is `orders` (newest) or `orders@1.0.0`."""
    try:
        chosen = pick(render.settings().contracts, name)
    except StartupFault as fault:
        render.fail(fault)
    if json_schema:
        render.as_json(input_schema(chosen))
    elif form == "json":
        render.as_json({**chosen.canonical, "digest": chosen.ref.digest})
    else:
        _show_text(chosen)


def _show_text(chosen: Contract) -> None:
    profile = chosen.profile
    click.echo(f"{chosen.name} {chosen.version}  {chosen.description}".rstrip())
    click.echo(f"digest      {chosen.ref.digest}")
    click.echo(f"issuer      {profile.issuer}")
    click.echo(f"audience    {profile.audience}")
    for label, text in _tokens(profile):
        click.echo(f"{label:<12}{text}")
    read = "" if chosen.answer.boolean else f", read at `{'.'.join(chosen.answer.allow)}`"
    click.echo(f"decision    data.{chosen.decision_path.replace('/', '.')}{read}")
    click.echo(f"undeclared  {'rejected' if chosen.reject_undeclared else 'ignored'}\n")
    rows = []
    for claim in chosen.claims.values():
        scopes = sorted(chosen.released_by[claim.name])
        short = [scope.removeprefix(f"{chosen.name}:") for scope in scopes]
        rows.append(
            [
                claim.name,
                "required" if claim.required else "optional",
                claim.sensitivity,
                ", ".join(claim.tokens),
                ", ".join(short) if scopes else "always",
                _summary(claim.schema) + _read_from(claim),
            ]
        )
    if rows:
        click.echo(render.table(["claim", "presence", "sensitivity", "kinds of token", "with scope", "value"], rows))
    else:
        click.echo(f"scopes      {', '.join(chosen.scopes)}, no claim")
    if chosen.request:
        click.echo(f"\nactions     {', '.join(chosen.request.actions)}")
        for kind, spec in chosen.request.resources.items():
            click.echo(f"resource    {kind}: {', '.join(spec.properties)}")


def _tokens(profile: TokenProfile) -> Iterator[tuple[str, str]]:
    """Which tokens the contract is for, line by line."""
    rules = profile.rules
    named = "RFC 9068" if rules == TokenRules() else f"profile {rules.name}"
    yield "tokens", f"access tokens ({named}), {', '.join(profile.algorithms)}, {profile.max_lifetime} s at most"
    types = " or ".join(name or "none" for name in rules.header_types)
    yield "told by", f"header typ {types}" + (f"; {told(rules.marker)}" if rules.marker else "")
    if rules.audience_clients:
        yield "clients", f"{', '.join(rules.audience_clients)}, which represent the audience"
    if rules.audience_is:
        yield "audience is", f"{rules.audience_is}, which stands in tokens for other APIs too"
    if profile.sender_constrained != "refused":
        yield "bound", f"tokens bound to a key are {profile.sender_constrained}"
    if profile.opaque is not None:
        prefix = f" that begin with {profile.opaque.prefix}" if profile.opaque.prefix else ""
        yield "opaque", f"tokens{prefix} are introspected{', JWTs too' if profile.opaque.jwts else ''}"


def _read_from(claim: ClaimSpec) -> str:
    """Where a claim stands and how it is read, where that is not plain."""
    how = claim.extraction
    told = [f"from {' > '.join(how.path(claim.name))}"] if how.source else []
    told += ["words"] if how.words else []
    told += [f"member {how.member}"] if how.member else []
    told += ["as a set"] if how.as_set else []
    told += [f"without {', '.join(how.ignored)}"] if how.ignored else []
    told += ["empty where absent"] if how.empty_if_absent else []
    told += [f"unknown with {', '.join(how.overage)}"] if how.overage else []
    return f" ({'; '.join(told)})" if told else ""


def _summary(schema: Mapping[str, object]) -> str:
    """A claim's schema in a few words."""
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " | ".join(str(value) for value in values) if isinstance(values, list) else ""
    kind = " or ".join(types_of(schema))
    if is_map(schema):
        values = schema.get("additionalProperties")
        return f"map of ({_summary(values)}), {schema['maxProperties']} at most" if isinstance(values, dict) else kind
    if kind == "array":
        items = schema.get("items")
        return f"list of ({_summary(items)}), {schema['maxItems']} at most" if isinstance(items, dict) else kind
    if kind == "object":
        properties = schema.get("properties")
        return "{" + ", ".join(properties) + "}" if isinstance(properties, dict) else kind
    bounds = [f"{name} {schema[name]}" for name in ("pattern", "format", "minimum", "maximum") if name in schema]
    return " ".join([kind, *bounds])
