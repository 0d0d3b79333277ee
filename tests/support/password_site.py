"""The DNS site, whose BGP session with GoBGP has a password (TCP MD5, RFC 2385)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anycast_routed.lab import gobgp
from tests.support.configs import anycast_dns
from tests.support.dns_site import Site, lay_out

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

PASSWORD_FILE = "/etc/anycast-routed/peer.password"  # noqa: S105 - a path
DNS1, PEER = "172.17.2.1", "172.17.2.253"


def config_without_password() -> dict[str, Any]:
    """Return the anycast-dns config with short times."""
    config = anycast_dns()
    config["dns"] |= {"half-life": 0, "fast-interval": "20ms"}
    config["anycast"]["drain-time"] = "100ms"
    return config


def config_with_password() -> dict[str, Any]:
    """Return the anycast-dns config with short times, and a password file for GoBGP."""
    config = config_without_password()
    (peer,) = (one for one in config["bgp"]["peers"] if one["ip"] == PEER)
    peer["password-file"] = PASSWORD_FILE
    return config


def lay_out_with_password(lab: Lab, router_name: str, password: str) -> Site:
    """Lay out the site; both ends of the session have this password."""
    site = lay_out(lab, router_name)
    site.configure(config_with_password())
    write_password(site, password)
    restart_peer(site, password)
    return site


def write_password(site: Site, password: str) -> None:
    """Replace the password file of dns1 by rename, as an operator should."""
    file = site.dns1.write(f"{PASSWORD_FILE}.new", f"{password}\n", mode=0o640)
    file.replace(site.file(PASSWORD_FILE))


def restart_peer(site: Site, password: str) -> None:
    """Restart GoBGP with this password; an empty one means none."""
    site.gobgp.daemon.kill()
    passwords = {DNS1: password}
    site.gobgp = gobgp.start(site.gobgp.host, 64512, PEER, {DNS1: 64512}, passwords=passwords)
