"""Rules between several keys of the config file.

The rules read the file's values, not the models, so that a fault in one key hides no other fault.
They ignore a key that is missing or wrong: the models report it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from anycast_routed.config.addresses import address, as_number, host_prefix, router_id
from anycast_routed.config.names import IFNAMSIZ, interface, label_prefix, path, service_name
from anycast_routed.config.router_sections import Router
from anycast_routed.config.section import Section
from anycast_routed.config.sections import Daemon
from anycast_routed.config.service_sections import Anycast
from anycast_routed.config.values import MAX_U32, Refused, whole

if TYPE_CHECKING:
    from anycast_routed.model import Address, Prefix

T = TypeVar("T")

Loc = tuple[str | int, ...]
"""A location in the file: keys, and positions in lists from 0."""


@dataclass(frozen=True, slots=True)
class Clash:
    """Keys that exclude each other: `message` has a `{}` for the path of the `other` key."""

    loc: Loc
    message: str
    other: Loc = ()
    hint: str = ""


def clashes(raw: Mapping[str, object]) -> Iterator[Clash]:
    """Yield the clashes between keys of a file whose services are in the list `services`."""
    services = list(_entries(raw, "services"))
    yield from _names(services)
    for loc, service in services:
        if isinstance(service, Mapping) and isinstance(service.get("anycast"), Mapping):
            yield from _labels((*loc, "anycast"), service["anycast"])
            yield from _floor((*loc, "anycast"), service["anycast"])
        yield from _lowering(loc, service, _section(raw, "bgp"))
    yield from _prefixes(services)
    yield from _overlaps(services)
    yield from _peers(_section(raw, "bgp"))
    yield from _files(_section(raw, "router"))
    yield from _directories(_section(raw, "daemon"))


def _names(services: list[tuple[Loc, object]]) -> Iterator[Clash]:
    first: dict[str, Loc] = {}
    for loc, service in services:
        name = _read(service, "name", service_name)
        place = (*loc, "name")
        if name is not None and first.setdefault(name, place) != place:
            yield Clash(place, "must be unique: {} is the same", first[name])


def _labels(loc: Loc, anycast: Mapping[str, object]) -> Iterator[Clash]:
    """Labelled addresses need both keys, and a whole label has at most 15 octets (IFNAMSIZ)."""
    for one, other in (("interface", "prefix"), ("prefix", "interface")):
        if one in anycast and other not in anycast:
            yield Clash((*loc, other), "is missing: {} finds no address without it", (*loc, one))
    if not {"interface", "prefix"} & anycast.keys() and not anycast.get("routes"):
        hint = "write interface and prefix, or routes"
        yield Clash(loc, "has nothing to announce", hint=hint)
    device = _read(anycast, "interface", interface)
    prefix = _read(anycast, "prefix", label_prefix)
    if device and prefix and len(label := f"{device}:{prefix}") > IFNAMSIZ:
        message = f"is too long: the kernel takes {IFNAMSIZ} characters for a label, and "
        yield Clash((*loc, "prefix"), f'{message}"{label}" has {len(label)}')


def _floor(loc: Loc, anycast: Mapping[str, object]) -> Iterator[Clash]:
    local_pref, parse = Anycast.model_fields["localpref"].default, whole(0, MAX_U32)
    if "localpref" in anycast:
        local_pref = _read(anycast, "localpref", parse)
    floor = _read(anycast, "floor", parse)
    if floor is not None and local_pref is not None and floor > local_pref:
        message = f"must not be above {{}}, which is {local_pref}"
        yield Clash((*loc, "floor"), message, (*loc, "localpref"), "floor is the lowered LocalPref")


def _lowering(loc: Loc, service: object, bgp: Mapping[str, object]) -> Iterator[Clash]:
    """A peer in another AS gets no LocalPref, and so cannot see that it was lowered."""
    own = _read(bgp, "as", as_number)
    if own is None or _section(service, "dns").get("on-fail") != "lower":
        return
    for entry, peer in _entries(bgp, "peers", ("bgp",)):
        other = _read(peer, "as", as_number)
        if other is not None and other != own:
            never = "LocalPref does not reach it (RFC 4271 section 5.1.5)"
            message = f'must not be "lower" while {{}} is another AS: {never}'
            hint = 'write "withdraw": that peer would still prefer a dead service'
            yield Clash((*loc, "dns", "on-fail"), message, (*entry, "as"), hint)
            return


def _prefixes(services: list[tuple[Loc, object]]) -> Iterator[Clash]:
    first: dict[Prefix, Loc] = {}
    for loc, service in services:
        anycast = _section(service, "anycast")
        for entry, route in _entries(anycast, "routes", (*loc, "anycast")):
            prefix = _read(route, "ip", host_prefix)
            place = (*entry, "ip")
            if prefix is not None and first.setdefault(prefix, place) != place:
                yield Clash(place, f"must not announce {prefix} again: {{}} does", first[prefix])


def _overlaps(services: list[tuple[Loc, object]]) -> Iterator[Clash]:
    """A labelled address belongs to one service, or two checks would decide about it."""
    seen: list[tuple[str, str, Loc]] = []
    for loc, service in services:
        anycast = _section(service, "anycast")
        device = _read(anycast, "interface", interface)
        prefix = _read(anycast, "prefix", label_prefix)
        if not device or not prefix:
            continue
        place = (*loc, "anycast", "prefix")
        for other, start, where in seen:
            if other == device and (prefix.startswith(start) or start.startswith(prefix)):
                message = f"must not overlap: labels on {device} could match {{}} as well"
                yield Clash(
                    place, message, where, "choose prefixes of which none starts with the other"
                )
        seen.append((device, prefix, place))


def _peers(bgp: Mapping[str, object]) -> Iterator[Clash]:
    own = _read(bgp, "id", router_id)
    first: dict[Address, Loc] = {}
    for loc, peer in _entries(bgp, "peers", ("bgp",)):
        ip = _read(peer, "ip", address("IPv4 link-local"))
        place = (*loc, "ip")
        if ip is None:
            continue
        if ip == own:
            yield Clash(place, "must not be this router itself, which is {}", ("bgp", "id"))
        if first.setdefault(ip, place) != place:
            yield Clash(place, f"must not repeat {ip}, the address of {{}}", first[ip])


def _files(router: Mapping[str, object]) -> Iterator[Clash]:
    """Every change replaces the include file, so it must not be another file of the router."""
    included = _path(Router, router, "include-file")
    for name in ("config-file", "control-socket"):
        if included is not None and included == _path(Router, router, name):
            message = "must be another file than {}"
            yield Clash(("router", "include-file"), message, ("router", name))


def _directories(daemon: Mapping[str, object]) -> Iterator[Clash]:
    """State that survives a reboot and state that must not cannot be in one directory."""
    state = _path(Daemon, daemon, "state-dir")
    if state is not None and state == _path(Daemon, daemon, "run-dir"):
        one, other = ("state-dir", "run-dir") if "state-dir" in daemon else ("run-dir", "state-dir")
        message = "must be another directory than {}"
        hint = "state-dir survives a reboot, and run-dir must not"
        yield Clash(("daemon", one), message, ("daemon", other), hint)


def _path(model: type[Section], section: Mapping[str, object], name: str) -> Path | None:
    if name in section:
        return _read(section, name, path())
    default = model.model_fields[name.replace("-", "_")].default
    return default if isinstance(default, Path) else None


def _section(holder: object, name: str) -> Mapping[str, object]:
    section = holder.get(name) if isinstance(holder, Mapping) else None
    return section if isinstance(section, Mapping) else {}


def _entries(
    holder: Mapping[str, object], name: str, loc: Loc = ()
) -> Iterator[tuple[Loc, object]]:
    entries = holder.get(name)
    if isinstance(entries, list):
        for number, entry in enumerate(entries):
            yield (*loc, name, number), entry


def _read(section: object, name: str, parse: Callable[[object], T]) -> T | None:
    if isinstance(section, Mapping) and name in section:
        try:
            return parse(section[name])
        except Refused:
            return None
    return None
