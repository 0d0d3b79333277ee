"""A dead service never comes back by a start, a reload or an undone change of the router."""

from __future__ import annotations

import json
import sys
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce.bird.protocols import held
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.announce.render import Renderer
from anycast_routed.errors import RejectedError
from anycast_routed.lab.frr import Frr
from anycast_routed.model import Announcement, Attributes, Peer, Plan, Sessions
from tests.support import program_runs
from tests.support.configs import anycast_dns
from tests.support.die_at import steps
from tests.support.dns_site import CONFIG, RUN_DIR, Held, Site, lay_out
from tests.support.frr_speaker import frr_speaker
from tests.support.kill_points import count
from tests.support.router_faults import bird_of, network_count, networks_in
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from anycast_routed.announce.frr.speaker import FrrSpeaker
    from anycast_routed.lab import Lab
    from anycast_routed.lab.bgp_receiver import Receiver
    from anycast_routed.lab.bird import Bird

pytestmark = pytest.mark.integration

MOST_STEPS = 60
FILE = f"{RUN_DIR}/bird.conf"
OURS = 'show route table all where proto ~ "anycast_*"'


@pytest.fixture
def site(lab: Lab, router_name: str) -> Site:
    """Lay out the site with a config that has only GoBGP's session."""
    made = lay_out(lab, router_name)
    config = anycast_dns()
    config["bgp"]["peers"] = config["bgp"]["peers"][1:]
    made.configure(config)
    return made


@pytest.fixture
def peer(site: Site, announced: Held) -> Receiver:
    """Announce to a peer that records every message."""
    return announcing(site, announced)


def announcing(site: Site, announced: Held) -> Receiver:
    """Apply, and wait until the peer holds everything."""
    made = site.recording_peer()
    site.run("apply")
    holds(made, announced)
    return made


only_bird = pytest.mark.parametrize("router_name", ["bird"])
only_frr = pytest.mark.parametrize("router_name", ["frr"])


def holds(peer: Receiver, wanted: Held) -> None:
    """Wait until the peer holds exactly these prefixes."""
    eventually(lambda: peer.table().keys() == wanted.keys(), why=str(wanted))


def announced_on_new_session(peer: Receiver, mark: int) -> set[str]:
    """Wait for the complete table of a new session, and return its prefixes."""

    def complete() -> bool:
        ends = [event.text for event in peer.since(mark) if event.kind == "end-of-rib"]
        return sorted(ends) == ["ipv4", "ipv6"]

    eventually(complete, why="a new session, with both families complete")
    return {event.prefix for event in peer.since(mark) if event.kind == "announce"}


def restarted(site: Site, peer: Receiver) -> set[str]:
    """Restart BIRD, and return the prefixes that it announces."""
    bird = bird_of(site)
    bird.daemon.kill()
    eventually(lambda: not peer.sessions(), why="the old session is over")
    mark = peer.mark()
    bird.restart()
    return announced_on_new_session(peer, mark)


def starts_again(site: Site, peer: Receiver, announced: Held) -> None:
    """Start BIRD with the file as it is, apply, and wait until all is announced."""
    bird_of(site).restart()
    site.run("apply")
    holds(peer, announced)


def fill(site: Site) -> None:
    """Fill the run directory's file system."""
    site.dns1.run("sh", "-c", f"cat /dev/zero > {RUN_DIR}/filler", check=False)
    assert site.dns1.run("sh", "-c", f"echo 1 > {RUN_DIR}/probe", check=False).code != 0


@pytest.mark.fault(20)
@only_bird
@pytest.mark.parametrize("healthy", [True, False])
def test_a_stopped_bird_restarts_with_healthy_services_only(
    site: Site, peer: Receiver, announced: Held, *, healthy: bool
) -> None:
    bird_of(site).daemon.terminate(PATIENCE)
    assert not site.dns1.path("/run/bird/bird.ctl").exists(), "BIRD has removed its socket"
    if not healthy:
        site.server.daemon.kill()
    done = site.run("apply", check=False)
    assert done.code == 69
    assert "no router runs here" in done.err
    wanted = set(announced) if healthy else set()
    assert networks_in(site.dns1.read(FILE)) == wanted
    assert restarted(site, peer) == wanted
    assert peer.table().keys() == wanted


@pytest.mark.fault(20, 27)
@only_bird
@pytest.mark.parametrize("verb", ["apply", "withdraw"])
def test_a_file_that_a_stopped_bird_cannot_read_is_emptied(
    site: Site, peer: Receiver, announced: Held, verb: str
) -> None:
    damaged = site.dns1.read(FILE).replace("protocol static", "protocol statics", 1)
    bird_of(site).daemon.pause()
    site.dns1.write(FILE, damaged)
    assert site.run("apply", check=False).code == 69
    assert site.dns1.read(FILE) == damaged, "a BIRD that is only slow keeps its routes"
    bird_of(site).daemon.kill()
    assert site.run(verb, check=False).code == 69
    assert site.dns1.read(FILE) == ""
    assert "protocol statics" in site.dns1.read(f"{FILE}.rejected")
    starts_again(site, peer, announced)


@pytest.mark.fault(27)
@only_bird
def test_a_fifo_in_place_of_a_stopped_birds_file_is_removed(
    site: Site, peer: Receiver, announced: Held
) -> None:
    bird_of(site).daemon.terminate(PATIENCE)
    site.dns1.run("sh", "-c", f"rm {FILE}; mkfifo {FILE}")
    assert site.run("apply", check=False).code == 69
    assert not site.dns1.path(FILE).exists()
    starts_again(site, peer, announced)


@pytest.mark.fault(20)
@only_bird
def test_of_two_services_only_the_dead_one_leaves_a_stopped_birds_file(
    site: Site, peer: Receiver, announced: Held
) -> None:
    config = json.loads(site.dns1.read(CONFIG))
    dns, routes = config.pop("dns"), config["anycast"].pop("routes")
    config["services"] = [
        {"name": "alive", "dns": dns, "anycast": config.pop("anycast")},
        {
            "name": "dead",
            "dns": {**dns, "query": "nowhere.example."},
            "anycast": {"nexthop-interface": "eth0", "routes": routes},
        },
    ]
    healthy = json.loads(json.dumps(config))
    healthy["services"][1]["dns"]["query"] = dns["query"]
    site.configure(healthy)
    site.run("apply")
    assert networks_in(site.dns1.read(FILE)) == set(announced)
    bird_of(site).daemon.terminate(PATIENCE)
    site.configure(config)
    assert site.run("apply", "--force", check=False).code == 69
    alive = {"10.10.10.10/32", "10.10.10.11/32"}
    assert networks_in(site.dns1.read(FILE)) == alive
    assert restarted(site, peer) == alive


@only_bird
def test_withdraw_while_bird_is_stopped_removes_the_routes_from_its_file(
    site: Site, peer: Receiver
) -> None:
    bird_of(site).daemon.terminate(PATIENCE)
    done = site.run("withdraw", check=False)
    assert done.code == 69
    assert networks_in(site.dns1.read(FILE)) == set()
    assert restarted(site, peer) == set()
    assert not peer.table()


@pytest.mark.fault(22)
@only_bird
@pytest.mark.parametrize("verb", ["apply", "withdraw"])
def test_a_hung_bird_does_not_announce_a_dead_service_again(
    site: Site, peer: Receiver, verb: str
) -> None:
    site.server.daemon.kill()
    bird_of(site).daemon.pause()
    done = site.run(verb, check=False)
    assert done.code == 69
    assert "did not answer" in done.err
    assert networks_in(site.dns1.read(FILE)) == set()
    if verb == "apply":
        bird_of(site).daemon.resume()
        bird_of(site).birdc("configure")
        holds(peer, {})
    assert restarted(site, peer) == set()


@pytest.fixture
def own_disk(site: Site, announced: Held) -> Receiver:
    """Announce to the receiver, with a run directory on a small file system of its own."""
    site.dns1.run("mkdir", "-p", RUN_DIR)
    site.dns1.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", RUN_DIR)
    return announcing(site, announced)


@only_bird
def test_apply_on_a_full_disk_withdraws_and_leaves_no_prefix_in_the_file(
    site: Site, own_disk: Receiver
) -> None:
    mark = own_disk.mark()
    fill(site)
    site.server.daemon.kill()
    assert site.run("apply", check=False).code == 73
    holds(own_disk, {})
    assert {event.kind for event in own_disk.since(mark)} == {"withdraw"}
    # Without space for a shorter file it is deleted; that makes room for the new one.
    file = site.dns1.path(FILE)
    assert not file.exists() or not held(file.read_text())
    bird_of(site).birdc("configure")
    assert held_by(bird_of(site)) == set()


@only_bird
def test_withdraw_on_a_full_disk_withdraws_and_deletes_the_file(
    site: Site, own_disk: Receiver
) -> None:
    fill(site)
    done = site.run("withdraw", check=False)
    holds(own_disk, {})
    assert not site.dns1.path(FILE).exists(), "without space for a shorter file it is deleted"
    bird_of(site).birdc("configure")
    assert held_by(bird_of(site)) == set()
    assert (done.code, done.err) == (0, "")
    assert "- 10.10.10.10/32" in done.out


@only_bird
@pytest.mark.parametrize("verb", ["apply", "withdraw"])
def test_a_dead_service_is_withdrawn_on_a_read_only_file_system(
    site: Site, own_disk: Receiver, verb: str
) -> None:
    mark = own_disk.mark()
    site.dns1.run("mount", "--bind", RUN_DIR, RUN_DIR)
    site.dns1.run("mount", "-o", "remount,bind,ro", RUN_DIR)
    assert site.dns1.run("touch", f"{RUN_DIR}/probe", check=False).code != 0
    site.server.daemon.kill()
    done = site.run(verb, check=False)
    assert done.code == 73
    assert f"cannot write {FILE}" in done.err
    holds(own_disk, {})
    assert {event.kind for event in own_disk.since(mark)} == {"withdraw"}


def test_withdraw_without_any_announcement_succeeds(site: Site) -> None:
    for _ in range(2):
        done = site.run("withdraw", check=False)
        assert (done.code, done.err) == (0, "")


@pytest.mark.fault(30, "31b")
@pytest.mark.soak
@only_bird
@pytest.mark.parametrize("verb", ["apply", "apply with a broken template", "withdraw"])
def test_killed_at_any_step_and_reloaded_before_the_next_run(
    site: Site, peer: Receiver, announced: Held, verb: str, request: pytest.FixtureRequest
) -> None:
    """Once BIRD has withdrawn, or the file has no routes, no reload or start undoes it.

    Before that, the file is the old one, and a reload changes nothing.
    """
    bird, file = bird_of(site), site.dns1.path(FILE)
    up, shortened = file.read_text(), 0
    config = site.dns1.path(CONFIG)
    good = config.read_text()
    site.dns1.write("/etc/anycast-routed/templates/bird.conf.j2", "{% broken")
    broken = {**json.loads(good), "router": {"template-dir": "/etc/anycast-routed/templates"}}
    for died, step in enumerate(steps(MOST_STEPS, site.router_name)):
        if "broken" in verb:
            config.write_text(json.dumps(broken))
        if verb != "withdraw" and site.server.daemon.alive:
            site.server.daemon.kill()
        word = verb.split(maxsplit=1)[0]
        killed = program_runs.is_killed_at(step, site.dns1, word, within=PATIENCE)
        now, withdrawn = file.read_text(), not held_by(bird)
        assert now == up or not networks_in(now), "the file is the old one or the new one"
        bird.birdc("configure")
        if now == up:
            assert not withdrawn, "BIRD had withdrawn before the file had no routes"
            assert held_by(bird) == set(announced)
            assert killed
            continue
        shortened += 1
        assert not held_by(bird)
        holds(peer, {})
        if not withdrawn or not killed:
            assert restarted(site, peer) == set()
        if not killed:
            assert shortened > 1, "it was killed after the file was shortened, too"
            count(request, died)
            return
        config.write_text(good)
        site.server.restart()
        site.run("apply")
        holds(peer, announced)
        assert file.read_text() == up
    pytest.fail(f"{verb} takes more than {MOST_STEPS} steps")


def held_by(bird: Bird) -> set[str]:
    """Return our prefixes that BIRD holds."""
    words = bird.birdc(OURS).split()
    return {word for word in words if word.endswith(("/32", "/128"))}


@pytest.mark.fault(21)
@only_frr
def test_networks_saved_by_write_memory_are_withdrawn_before_any_check_ends(
    site: Site, peer: Receiver
) -> None:
    frr = site.router
    assert isinstance(frr, Frr)
    assert '"up"' in site.dns1.read(f"{RUN_DIR}/state.json")
    frr.write_memory()
    config = json.loads(site.dns1.read(CONFIG))
    config["dns"]["timeout"] = "60s"
    site.configure(config)
    site.server.daemon.pause()
    frr.restart()
    eventually(lambda: network_count(frr) == 3, why="FRR has its saved config")
    probing = site.dns1.start(sys.executable, "-m", "anycast_routed", "apply", name="apply")
    eventually(lambda: network_count(frr) == 0, why="withdrawn before the first timeout")
    assert probing.alive, "the server has not been judged yet"
    probing.kill()
    site.server.daemon.kill()
    done = site.run("apply")
    assert "+ " not in done.out
    assert network_count(frr) == 0
    eventually(lambda: peer.sessions() == {"172.17.2.1"}, why="the session is back")
    assert not peer.table()


@only_frr
def test_an_frr_that_did_not_restart_keeps_its_networks_during_checks(
    site: Site, peer: Receiver
) -> None:
    mark = peer.mark()
    site.run("apply")
    assert peer.changes(mark) == []


@pytest.mark.fault(25)
@only_frr
def test_a_load_refused_in_part_leaves_neither_new_nor_withdrawn_networks(site: Site) -> None:
    """With more lines than fit an argument, FRR continues after the refused line."""
    frr = site.router
    assert isinstance(frr, Frr)
    peer = site.recording_peer()
    speaker = frr_speaker(site.dns1, site.dns1.path(f"{RUN_DIR}/frr.conf"))
    stays, goes, new = "10.10.10.10/32", "10.10.10.11/32", "10.99.0.0/32"
    site.dns1.address("lo", new)
    text = render(speaker, ["172.17.2.253"], [stays, goes])
    speaker.load(text)
    eventually(lambda: peer.table().keys() == {stays, goes}, why="announced")
    many = [str(one) for one in list(ip_network("10.99.0.0/22").subnets(new_prefix=32))[:600]]
    mark = peer.mark()
    # The router's own address as a neighbor: only bgpd refuses this.
    bad = render(speaker, ["172.17.2.253", "172.17.2.1"], [stays, *many])
    with pytest.raises(RejectedError, match="local system as neighbor"):
        speaker.load(bad)
    running = Running(frr.vtysh("show running-config"))
    assert {str(prefix) for prefix in running.networks} == {stays}
    assert speaker.is_loaded(speaker.layout.without(text, [ip_network(goes)]))
    eventually(lambda: peer.table().keys() == {stays}, why="as before, without one network")
    announced = {event.prefix for event in peer.since(mark) if event.kind == "announce"}
    assert goes not in announced


def render(speaker: FrrSpeaker, peers: list[str], prefixes: list[str]) -> str:
    """Render for FRR what announces these prefixes to these peers."""
    attributes = Attributes(200, ip_address("172.17.2.1"))
    listed = tuple(Peer(i, ip_address(peer), 64512, "") for i, peer in enumerate(peers, 1))
    plan = Plan(
        ("dns",),
        Sessions(64512, IPv4Address("172.17.2.1"), listed),
        tuple(Announcement(ip_network(p), "dns", p, attributes, on_host=True) for p in prefixes),
        (),
    )
    return Renderer("frr").render(speaker.variables(plan))
