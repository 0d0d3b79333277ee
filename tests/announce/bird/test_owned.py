"""Which protocols of BIRD are ours: what our file defines, and what carries our description."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from anycast_routed.lab import bgp_receiver, bird
from anycast_routed.lab.bird import Bird
from tests.support.dns_site import INCLUDE, RUN_DIR, Held, Site, lay_out
from tests.support.paths import ROOT
from tests.support.waiting import eventually, never

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.fault(43)]

CONF: Final = "/etc/bird/bird.conf"
FILE: Final = f"{RUN_DIR}/bird.conf"
DESCRIPTION: Final = '  description "anycast-routed";\n'
LOADED: Final = 'define anycast_routed_loaded = "0123456789abcdef";\n'
HIS: Final = "protocol static anycast__1_2_3_4_v4 { ipv4; route 1.2.3.4/32 blackhole; }\n"
# The protocol that we would make for one of our prefixes.
SAME: Final = "protocol static anycast__10_10_10_12_v4 { ipv4; route 198.51.100.0/24 blackhole; }\n"


@pytest.fixture
def router_name() -> str:
    """Run BIRD only."""
    return "bird"


def bird_of(site: Site) -> Bird:
    """Return dns1's BIRD."""
    assert isinstance(site.router, Bird)
    return site.router


def runs_his(site: Site, name: str = "anycast__1_2_3_4_v4") -> bool:
    """Return whether the operator's protocol is up."""
    return " up " in bird_of(site).birdc(f"show protocols {name}").splitlines()[-1]


def is_left_alone(site: Site) -> None:
    """Check that the operator's protocol runs, and that its route is not shown as ours."""
    assert runs_his(site)
    assert "1.2.3.4" not in str(site.document("status")["originated"])
    assert "nothing to change" in site.run("plan").out


def test_a_protocol_of_the_operator_that_is_there_at_the_first_apply_is_his(
    lab: Lab, dns_config: dict[str, Any], announced: Held
) -> None:
    site = lay_out(lab, "bird", own=HIS)
    site.configure(dns_config)
    site.run("apply")
    site.both_hold(announced)
    is_left_alone(site)
    site.server.daemon.kill()
    site.run("apply")
    site.both_hold({})
    site.run("withdraw")
    assert runs_his(site)


def test_a_protocol_of_the_operator_that_comes_later_is_his(site: Site, announced: Held) -> None:
    daemon = site.daemon()
    site.both_hold(announced)
    bird_of(site).configure(site.dns1.read(CONF) + HIS)
    never(lambda: not runs_his(site), seconds=4.0, why="the daemon disabled his protocol")
    is_left_alone(site)
    daemon.check()
    site.both_hold(announced)


def test_a_template_without_descriptions_works(
    lab: Lab, dns_config: dict[str, Any], announced: Held
) -> None:
    site = lay_out(lab, "bird", own=HIS)
    source = (ROOT / "templates/bird.conf.j2").read_text()
    assert DESCRIPTION in source
    template = source.replace(DESCRIPTION, "").replace("protocol static", "protocol  static")
    site.dns1.write("/etc/anycast-routed/templates/bird.conf.j2", template)
    dns_config["router"] = {"template-dir": "/etc/anycast-routed/templates"}
    site.configure(dns_config)
    site.run("apply")
    site.both_hold(announced)
    is_left_alone(site)
    site.server.daemon.kill()
    site.run("apply")
    site.both_hold({})
    assert runs_his(site)


@pytest.mark.parametrize("file", ["lost", "replaced", "shortened"])
def test_a_dead_prefix_of_an_earlier_file_is_withdrawn(
    site: Site, announced: Held, file: str
) -> None:
    """A load was interrupted, or the file has gone: BIRD runs what the file no longer defines."""
    bird_of(site).configure(site.dns1.read(CONF) + HIS)
    site.run("apply")
    site.both_hold(announced)
    texts = {"lost": None, "replaced": LOADED, "shortened": site.router_file().read_text()}
    text = texts[file]
    if text is None:
        site.router_file().unlink()
    else:
        site.dns1.write(FILE, text[: text.find("\nprotocol")])
    site.server.daemon.kill()
    site.run("apply", check=False)
    site.both_hold({})
    assert runs_his(site)


@pytest.mark.parametrize("file", ["lost", "replaced"])
def test_a_dead_prefix_of_an_older_version_is_withdrawn(
    site: Site, announced: Held, file: str
) -> None:
    """Its text describes no protocol, so the form of the names decides."""
    site.run("apply")
    site.both_hold(announced)
    text = site.router_file().read_text().replace(DESCRIPTION, "")
    site.dns1.write(FILE, text)
    bird_of(site).birdc("configure")
    if file == "lost":
        site.router_file().unlink()
    else:
        site.dns1.write(FILE, LOADED.replace("0", "f"))
    site.server.daemon.kill()
    site.run("apply", check=False)
    site.both_hold({})


def test_an_upgrade_enables_no_protocol_that_the_operator_has_disabled(
    site: Site, announced: Held
) -> None:
    bird_of(site).configure(site.dns1.read(CONF) + HIS)
    site.run("apply")
    site.both_hold(announced)
    older = site.router_file().read_text().replace(DESCRIPTION, "")
    # Another text has another fingerprint.
    older = re.sub(r'(loaded = ")....', r"\1beef", older)
    site.dns1.write(FILE, older)
    bird_of(site).birdc("configure")
    bird_of(site).birdc("disable anycast__1_2_3_4_v4")
    site.run("apply")
    assert DESCRIPTION in site.router_file().read_text()
    assert not runs_his(site)
    site.both_hold(announced)


def test_a_name_that_both_define_is_refused_by_name_and_takes_nothing_else_along(
    site: Site, announced: Held
) -> None:
    daemon = site.daemon()
    site.both_hold(announced)
    bird_of(site).configure(site.dns1.read(CONF) + SAME)
    site.dns1.address("lo", "10.10.10.12/32", label="lo:dns3")
    refusal = "anycast__10_10_10_12_v4"
    said = f"'{refusal}' already defined"
    eventually(lambda: said in daemon.log(), why="the refusal names the protocol")
    never(lambda: not runs_his(site, refusal), seconds=8.0, why="his protocol was disabled")
    site.both_hold(announced)
    assert daemon.log().count(said) == 1, daemon.log()
    shown = site.run("status", check=False)
    hint = f"your part of BIRD's config has {refusal} too: rename it there"
    assert hint in shown.out + daemon.log(), shown.out + daemon.log()
    assert not site.dns1.path(f"{FILE}.rejected").exists(), "our text has no fault"
    site.server.daemon.kill()
    site.both_hold({})
    assert runs_his(site, refusal)
    site.server.restart()
    site.both_hold(announced)


def test_a_description_that_comes_with_an_upgrade_restarts_no_protocol(lab: Lab) -> None:
    """Pins BIRD's behaviour: the peer receives nothing, and BIRD shows the description."""
    host, peer = lab.host("dns1"), lab.host("peer")
    lab.lan("lan", host, peer)
    host.address("eth0", "172.17.2.1/24")
    peer.address("eth0", "172.17.2.253/24")
    listener = bgp_receiver.start(
        peer, asn=64512, router_id="172.17.2.253", peers={"172.17.2.1": 64512}
    )
    plain = """ipv4 table anycast4;
protocol static anycast__10_0_0_1_v4 {
  ipv4 { table anycast4; };
  route 10.0.0.1/32 blackhole { bgp_local_pref = 200; bgp_next_hop = 172.17.2.1; };
}
protocol static anycast__10_0_0_2_v4 {
  disabled;
  ipv4 { table anycast4; };
  route 10.0.0.2/32 blackhole { bgp_local_pref = 200; bgp_next_hop = 172.17.2.1; };
}
protocol bgp anycast_peer_1 {
  router id 172.17.2.1; local as 64512; neighbor 172.17.2.253 as 64512; connect delay time 0;
  ipv4 { table anycast4; import none; export all; next hop keep; };
}
"""
    host.write(FILE, plain)
    router = bird.start(host, bird.STOCK + INCLUDE)
    eventually(lambda: set(listener.table()) == {"10.0.0.1/32"})
    eventually(lambda: any(one.kind == "end-of-rib" for one in listener.events()))
    mark = listener.mark()
    described = plain.replace("_v4 {\n", '_v4 {\n  description "anycast-routed";\n')
    for text in (described, plain, described):
        host.write(FILE, text)
        router.birdc("configure")
        never(lambda: listener.without_end_of_rib(mark), seconds=0.5, why="an UPDATE")
    shown = router.birdc('show protocols all "anycast__*"')
    assert shown.split().count("Description:") == shown.split().count("anycast-routed") == 2, shown
    router.birdc("enable anycast__10_0_0_2_v4")
    eventually(lambda: len(listener.table()) == 2)
