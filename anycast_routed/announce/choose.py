"""Find the router that the config means: the one that it names, or the one that runs here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal, get_args

from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.announce.listening import listens
from anycast_routed.errors import AccessDeniedError, ConfigError, RouterUnavailableError
from anycast_routed.state import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config

Name = Literal["bird", "frr"]


def choose(config: Config) -> Speaker:
    """Return the router that the config names, or the one that runs here.

    If both run, it is the router of the last run of this boot, or else the router that holds our
    prefixes. They must be withdrawn, even if another router was installed meanwhile.

    Raises:
        RouterUnavailableError: `auto`, and neither runs.
        ConfigError: `auto`, and both run, and none of them is known to be ours.
    """
    return _speaker(config, _which(config))


def every(config: Config) -> tuple[Speaker, ...]:
    """Return the router of `choose`, or both if it cannot tell: for a withdrawal of everything.

    Raises:
        RouterUnavailableError: as `choose`.
    """
    try:
        return (choose(config),)
    except ConfigError:
        return _all(config)


def with_file(config: Config) -> tuple[Speaker, ...]:
    """Return each router that reads our file at its start, whether or not it runs or is named."""
    return tuple(one for one in _all(config) if one.layout.reads_file)


def starting_with_file(config: Config) -> tuple[Speaker, ...]:
    """Return the routers of `with_file` that the config names or may mean."""
    return tuple(one for one in with_file(config) if config.router.daemon in {"auto", one.name})


def bird(config: Config) -> BirdSpeaker:
    """Return BIRD, whether or not it runs."""
    router = config.router
    run_dir = config.daemon.run_dir
    return BirdSpeaker(router.control_socket, router.include_file, router.config_file, run_dir)


def _all(config: Config) -> tuple[Speaker, ...]:
    return tuple(_speaker(config, name) for name in get_args(Name))


def _speaker(config: Config, name: Name) -> Speaker:
    match name:
        case "bird":
            return bird(config)
        case "frr":
            from anycast_routed.announce.frr.speaker import FrrSpeaker  # noqa: PLC0415 - or BIRD, not both

            router, file = config.router, config.daemon.run_dir / "frr.conf"
            shares = config.bgp is None or config.bgp.other_neighbors == "accept"
            return FrrSpeaker(router.vty_dir, router.vtysh, file, shares=shares)


def _which(config: Config) -> Name:
    if config.router.daemon != "auto":
        return config.router.daemon
    known_sockets = sockets(config)
    # A socket may outlive its router, so if both exist, the one with a listener counts.
    there = [name for name, path in known_sockets.items() if _exists(path)]
    if len(there) > 1:
        there = [name for name in there if listens(known_sockets[name])] or there
    if not there:
        bird, frr = known_sockets.values()
        message = f"no router runs here: neither {bird} nor {frr} exists"
        hint = "see: systemctl status bird frr; elsewhere they are router.control-socket or vty-dir"
        raise RouterUnavailableError(message, hint=hint)
    if len(there) == 1:
        return there[0]
    known = record.load(config.daemon.run_dir)
    last = known.router.partition(" ")[0] if known else ""
    for ours in ([name for name in there if name == last], [*_holders(config, there)]):
        if len(ours) == 1:
            return ours[0]
    both = " and ".join(str(known_sockets[name]) for name in there)
    message = f"router.daemon: both BIRD and FRR run here ({both})"
    hint = 'say which one: "bird" or "frr" as router.daemon in the config, or --router'
    raise ConfigError(message, hint=hint)


def _holders(config: Config, names: Iterable[Name]) -> Iterator[Name]:
    for name in names:
        with contextlib.suppress(RouterUnavailableError, AccessDeniedError):
            if _speaker(config, name).read().originated:
                yield name


def sockets(config: Config) -> dict[Name, Path]:
    """Return the Unix socket of each router, which the router makes anew at each start."""
    router = config.router
    return {"bird": router.control_socket, "frr": router.vty_dir / "bgpd.vty"}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True
