"""The seed's site whose session with gobgpd has a password (TCP MD5, RFC 2385)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anycast_routed.lab import gobgp
from tests.support.dns_site import Site, lay_out, seed

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.lab import Lab

FILE = "/etc/anycast-routed/peer.password"
US, PEER = "172.17.2.1", "172.17.2.253"


def wanted() -> dict[str, Any]:
    """Return the seed's config, with short times."""
    config = seed()
    config["dns"] |= {"half-life": 0, "fast-interval": "20ms"}
    config["anycast"]["drain-time"] = "100ms"
    return config


def with_password() -> dict[str, Any]:
    """Return the same with a password file."""
    config = wanted()
    (peer,) = (one for one in config["bgp"]["peers"] if one["ip"] == PEER)
    peer["password-file"] = FILE
    return config


def lay_out_guarded(lab: Lab, router_name: str, password: str) -> Site:
    """Lay out the site; both sides of the session have this password."""
    site = lay_out(lab, router_name)
    site.configure(with_password())
    write(site, password)
    peer_has(site, password)
    return site


def write(site: Site, password: str) -> None:
    """Replace our side's password as an operator should: under another name first."""
    file = site.dns1.write(f"{FILE}.new", f"{password}\n", mode=0o640)
    file.replace(site.dns1.path(FILE))


def peer_has(site: Site, password: str) -> None:
    """Start gobgpd anew with this password, or with none."""
    site.gobgp.daemon.kill()
    passwords = {US: password}
    site.gobgp = gobgp.start(site.gobgp.host, 64512, PEER, {US: 64512}, passwords=passwords)


def own_file(site: Site) -> Path:
    """Return where our file is."""
    return site.dns1.path(f"/run/anycast-routed/{site.router_name}.conf")
