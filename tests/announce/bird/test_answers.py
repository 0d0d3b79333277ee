"""How BIRD's replies become routes, with all attributes."""

from anycast_routed.announce.bird import answers, releases
from anycast_routed.announce.bird.owned import Owned
from anycast_routed.announce.bird.socket import Reply
from anycast_routed.model import GRACEFUL_SHUTDOWN
from tests.support.desired import attributes, route

RELEASE = releases.RELEASES[-1]
LISTING = """1007-Table anycast4:
 10.10.10.10/32       blackhole [anycast_dns_v4 04:49:23.064] * (200)
1008-\tType: static univ
1012-\tBGP.next_hop: 172.17.2.1
 \tBGP.local_pref: 0
 \tBGP.community: (64512,7) (65535,0)
 \t\t(100,200) (64512,7)
 \tBGP.large_community: (1, 2, 3)
1007-10.10.10.11/32       blackhole [anycast_dns_v4 04:49:23.064] * (200)
1008-\tType: static univ
1007-10.10.10.12/32       blackhole [anycast_web 04:49:23.064] * (200)
1012-\tBGP.local_pref: 5
1007-Table anycast6:
 fd00::10/128         blackhole [anycast_dns_v6 04:49:23.064] * (200)
1012-\tBGP.next_hop: fd00:17:2::1 fe80::1
 \tBGP.local_pref: 200
"""


def test_a_route_has_all_its_attributes_and_none_of_its_neighbors() -> None:
    assert answers.routes(Reply(0, f"{LISTING}0000 \n"), RELEASE, Owned()) == (
        route("10.10.10.10/32", attributes(0, "172.17.2.1", (100, 200), (64512, 7), (65535, 0))),
        route("10.10.10.11/32", attributes(None, "")),
        route("fd00::10/128", attributes(200, "fd00:17:2::1")),
    )
    assert GRACEFUL_SHUTDOWN == (65535, 0)


def test_an_attribute_without_a_value_is_not_shown() -> None:
    for line in ("BGP.local_pref: ", "BGP.next_hop: ", "BGP.community: ", "\t", "\t(1,2)"):
        text = f"1007-10.0.0.1/32 blackhole [anycast_dns_v4 now] * (200)\n \t{line}\n0000 \n"
        (found,) = answers.routes(Reply(0, text), RELEASE, Owned())
        assert found == route("10.0.0.1/32", attributes(None, ""))
