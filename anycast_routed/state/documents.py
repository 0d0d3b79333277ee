"""The same facts as JSON documents for programs, each with its `schema` number."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

from anycast_routed.model import Attributes

SCHEMA = 1
_NUMBERS = (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)


def document(verb: str, **facts: object) -> dict[str, object]:
    """One document: the schema's number, the verb, and the facts in kebab-case."""
    return {"schema": SCHEMA, "verb": verb, **{_key(key): plain(v) for key, v in facts.items()}}


def plain(value: object) -> object:
    """Turn our values into what JSON has; keys become kebab-case, sets become sorted lists."""
    if isinstance(value, _NUMBERS):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        facts: dict[str, object] = {}
        for one in fields(value):
            part = getattr(value, one.name)
            facts |= _flat(part) if isinstance(part, Attributes) else {_key(one.name): plain(part)}
        return facts
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (frozenset, set)):
        return sorted(str(one) for one in value)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def _flat(attributes: Attributes) -> dict[str, object]:
    """Return the keys that stand beside the prefix of a route."""
    known = attributes.communities is not None
    return {
        "local-pref": attributes.local_pref,
        "next-hop": plain(attributes.next_hop),
        "communities": [f"{high}:{low}" for high, low in attributes.communities or ()]
        if known
        else None,
        "graceful-shutdown": attributes.graceful_shutdown if known else None,
    }


def _key(name: str) -> str:
    return name.rstrip("_").replace("_", "-")
