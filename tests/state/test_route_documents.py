"""The attributes of a route as keys of a JSON document, next to its prefix."""

from ipaddress import ip_address

from anycast_routed.model import Attributes, Route
from anycast_routed.state.documents import plain
from tests.support.desired import announcement, draining


def test_an_announcement_has_its_attributes_as_keys() -> None:
    assert plain(draining(announcement("10.10.10.10/32"))) == {
        "prefix": "10.10.10.10/32",
        "service": "dns",
        "source": "lo:dns1",
        "local-pref": 0,
        "next-hop": "172.17.2.1",
        "communities": ["65535:0"],
        "graceful-shutdown": True,
        "on-host": True,
        "note": "draining: new disk",
        "blackhole": True,
    }


def test_communities_that_a_router_does_not_show_are_null() -> None:
    unknown = Attributes(200, ip_address("172.17.2.1"), None)
    document = plain(Route(announcement("10.10.10.10/32").prefix, unknown))
    assert document == {
        "prefix": "10.10.10.10/32",
        "local-pref": 200,
        "next-hop": "172.17.2.1",
        "communities": None,
        "graceful-shutdown": None,
        "covered": False,
    }
