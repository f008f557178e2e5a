"""What the sources and targets of attaches ask of a broker for tests (3.5.3, 3.5.4)."""

from __future__ import annotations

from typing import Any

from proton import Array, Data, Described, Terminus
from proton.testing.nodes import Lifetime
from proton.testing.selector import Selector

__all__ = ["SELECTOR", "lifetime_policy", "selector_filters", "selector_of", "symbols_of"]

#: the name and the number of the descriptor of a selector
SELECTOR = ("apache.org:selector-filter:string", 0x468C00000004)


def value_of(data: Data) -> Any:
    """The value of a tree, None for an empty one."""
    data.rewind()
    return data.get_object() if data.next() else None


def symbols_of(data: Data) -> set[str]:
    """The symbols of a tree: one, several, or an array of them."""
    found = value_of(data)
    if isinstance(found, Array):
        return {str(symbol) for symbol in found.elements}
    return set() if found is None else {str(found)}


def selector_filters(source: Terminus) -> dict[Any, Any]:
    """The entries of a filter set that are selectors: all others are not supported (3.5.8)."""
    wanted = value_of(source.filter)
    if not isinstance(wanted, dict):
        return {}
    return {name: entry for name, entry in wanted.items() if getattr(entry, "descriptor", None) in SELECTOR}


def selector_of(filters: dict[Any, Any]) -> Selector | None:
    """The selector of a filter set.

    :raises ValueError: it has a mistake, or there are several.
    """
    if not filters:
        return None
    if len(filters) > 1:
        raise ValueError(f"expected one selector, got {len(filters)}")
    (entry,) = filters.values()
    if not isinstance(entry.value, str):
        raise ValueError(f"expected the text of a selector, got {type(entry.value).__name__}")
    return Selector(str(entry.value))


def lifetime_policy(terminus: Terminus) -> str:
    """The name of the lifetime policy of a dynamic node (3.5.10): that its link ends if none is given."""
    wanted = value_of(terminus.properties)
    policy = wanted.get("lifetime-policy") if isinstance(wanted, dict) else None
    descriptor = policy.descriptor if isinstance(policy, Described) else None
    if isinstance(descriptor, int):
        return Lifetime.POLICIES.get(int(descriptor), Lifetime.POLICIES[0x2B])
    name = str(descriptor).split(":")[1:2]
    return name[0] if name and name[0] in Lifetime.POLICIES.values() else Lifetime.POLICIES[0x2B]
