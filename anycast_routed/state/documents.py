"""Turn values into JSON documents for programs, each with its `schema` number."""

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

from anycast_routed.model import Attributes, CheckKey, Finding

SCHEMA = 1
_ADDRESSES = (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)


def document(verb: str, **facts: object) -> dict[str, object]:
    """Return one document: the schema's number, the verb, and the facts with kebab-case keys."""
    return {"schema": SCHEMA, "verb": verb, **{_key(key): plain(v) for key, v in facts.items()}}


def plain(value: object) -> object:
    """Turn a value into what JSON has: objects get kebab-case keys, sets become sorted lists."""
    if isinstance(value, _ADDRESSES):
        return str(value)
    if isinstance(value, Finding):
        value = value.facts()
    if is_dataclass(value) and not isinstance(value, type):
        facts: dict[str, object] = {}
        for one in fields(value):
            part = getattr(value, one.name)
            facts |= _flat(part) if isinstance(part, Attributes) else {_key(one.name): plain(part)}
        return facts
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, (frozenset, set)):
        return sorted(str(one) for one in value)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def _object(mapping: dict[object, object]) -> dict[str, object]:
    """Return an object by key; keyed by check, an object by service of objects by check."""
    made: dict[str, object] = {}
    for key, value in mapping.items():
        if isinstance(key, CheckKey):
            made.setdefault(key.service, {})[key.check] = plain(value)  # type: ignore[index]
        else:
            made[str(key)] = plain(value)
    return made


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
