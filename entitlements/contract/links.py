"""Which claim of a newer version holds the value of which older one, as `renamed_from` says it.

A link may lead onto a name that the older version declares too: the last step of a migration (`role_v2` becomes
`role`), a shift, a swap. Then the name holds another claim's value. What cannot be followed is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from entitlements.contract.document import ALWAYS_DECLARED, Contract
from entitlements.errors import ContractsInvalid, Fault

Place = tuple[str, str]
"""A path in the document, and what is wrong there."""
CODE = "link_not_followed"


def links(old: Contract, new: Contract) -> dict[str, str]:
    """What `renamed_from` declares in the step from one version to another: the older name by the new one.

    A line that stood in the older version already was followed there and says nothing any more, unless the older
    version declares that name for another claim than the one that was renamed.
    """
    if old.ref == new.ref:
        return {}
    return {
        name: claim.renamed_from
        for name, claim in new.claims.items()
        if claim.renamed_from and not _followed_before(old, name, claim.renamed_from)
    }


def _followed_before(old: Contract, name: str, source: str) -> bool:
    earlier = old.claims.get(name)
    if earlier is None or earlier.renamed_from != source:
        return False
    return source not in old.claims or bool(old.claims[source].renamed_from)


def successors(old: Contract, new: Contract) -> dict[str, str]:
    """The name under which each claim of the older version goes on, where it does; the same for most.

    Raises ContractsInvalid `link_not_followed` where a claim would go on under two names.
    """
    linked = links(old, new)
    found: dict[str, str] = {}
    for name in new.claims:
        source = linked.get(name, name)
        if source in found:
            raise ContractsInvalid(CODE, f"the claim `{source}` would go on as `{found[source]}` and as `{name}`")
        if source in old.claims:
            found[source] = name
    return {name: found[name] for name in old.claims if name in found}


def renamed(old: Contract, new: Contract) -> dict[str, str]:
    """New names by old ones, where a claim goes on under another name. Raises ContractsInvalid as `successors` does."""
    return {name: after for name, after in successors(old, new).items() if name != after}


def link_faults(contract: Contract) -> list[Place]:
    """What one version says with `renamed_from` that no comparison with an older one could follow."""
    return list(_of_version(contract))


def link_faults_of_step(old: Contract, new: Contract) -> list[Fault]:
    """What `renamed_from` says in a step that is not followed, with the path in the newer version; no file and line."""
    found = dict(_of_version(new))
    linked = links(old, new)
    taken: dict[str, str] = {}
    for name in new.claims:
        source = linked.get(name, name)
        if source in taken:
            place = name if name in linked else taken[source]
            found.setdefault(_path(place), _twice(source, taken[source], name))
        taken[source] = name
    return [Fault(CODE, text, path=path) for path, text in found.items()]


def _of_version(contract: Contract) -> Iterator[Place]:
    by_source: dict[str, str] = {}
    for name, claim in contract.claims.items():
        source = claim.renamed_from
        if not source:
            continue
        if source == name:
            yield _path(name), f"`{name}` cannot be renamed from itself, leave `renamed_from` out"
        elif source in ALWAYS_DECLARED or name in ALWAYS_DECLARED:
            yield (
                _path(name),
                "a registered claim cannot be renamed: its value is not followed, leave `renamed_from` out",
            )
        elif source in by_source:
            yield _path(name), _twice(source, by_source[source], name)
        elif source in contract.claims and not contract.claims[source].renamed_from:
            text = f"`{source}` is still declared, so its value would stand under two names: "
            yield _path(name), text + f"remove `{source}`, or leave `renamed_from` out and `{name}` counts as added"
        by_source.setdefault(source, name)


def _path(name: str) -> str:
    return f"claims.{name}.renamed_from"


def _twice(source: str, one: str, other: str) -> str:
    return f"the value of `{source}` would stand under two names, `{one}` and `{other}`: leave one `renamed_from` out"
