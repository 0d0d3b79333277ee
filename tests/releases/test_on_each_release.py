"""The life of a prefix on each release of the routers, judged by two peers of the same release.

`make matrix` runs all other tests of the routers on each release, too.
"""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.errors import Exit
from anycast_routed.lab import Lab, LabUnavailableError, machine_python
from anycast_routed.lab.bird import Bird
from anycast_routed.lab.frr import Frr
from anycast_routed.lab.releases import RELEASES, versions
from tests.support.configs import anycast_dns
from tests.support.dns_site import CONFIG, lay_out
from tests.support.password_site import config_with_password, restart_peer, write_password
from tests.support.paths import ROOT
from tests.support.program_runs import run
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_site import Held, Site

pytestmark = [pytest.mark.integration, pytest.mark.releases]

WORD = "for-each-release"
OWN = {
    "bird": "protocol static operator {\n  ipv4;\n  route 192.0.2.0/24 blackhole;\n}\n",
    "frr": "ip route 192.0.2.0/24 blackhole\nip prefix-list OPERATOR seq 5 permit 192.0.2.0/24\n",
}
PAIRS = [
    *((release, "bird") for release in RELEASES),
    # The releases with BIRD 3 have the same FRR.
    *((release, "frr") for release in RELEASES if not release.endswith("bird3")),
]


@pytest.fixture(params=PAIRS, ids="-".join)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Lay out the site on one release; the session with GoBGP has a password."""
    release, router_name = request.param
    with Lab(release=release) as lab:
        made = lay_out(lab, router_name, own=OWN[router_name])
        made.configure(config_with_password())
        write_password(made, WORD)
        restart_peer(made, WORD)
        yield made


@pytest.mark.parametrize(
    ("release", "peers", "router_name"),
    [
        ("bookworm", "sid", "bird"),
        ("bookworm", "sid", "frr"),
        ("sid-bird3", "bookworm", "bird"),
        ("sid", "bookworm", "frr"),
    ],
)
def test_the_oldest_and_the_newest_release_are_peers_of_each_other(
    release: str, peers: str, router_name: str, announced: Held
) -> None:
    with Lab(release=release) as lab:
        site = lay_out(lab, router_name, peers=peers)
        site.run("apply")
        site.both_hold(announced)
        site.server.daemon.kill()
        site.run("apply", check=False)
        site.both_hold({})


def with_local_pref(local_pref: int) -> dict[str, Any]:
    """Return the config with another LocalPref of the first label."""
    config = config_with_password()
    config["anycast"]["localpref"] = local_pref
    return config


def test_the_life_of_a_prefix(site: Site, announced: Held) -> None:
    """One of the three prefixes is not on the host."""
    site.run("apply")
    site.both_hold(announced)
    assert site.run("plan", "--exit-code", check=False).code == 0, "nothing is left to do"

    site.configure(with_local_pref(150))
    site.run("apply")
    lower = {"10.10.10.10/32": (150, "172.17.2.1"), "10.10.10.11/32": (140, "172.17.2.1")}
    site.both_hold(announced | lower)
    site.configure(config_with_password())
    site.run("apply")
    site.both_hold(announced)

    drifts(site)
    site.run("apply")
    site.both_hold(announced)

    if isinstance(site.router, Frr):
        site.router.write_memory()
    site.router.restart()
    site.run("apply")
    site.both_hold(announced)

    site.run("drain")
    assert "LocalPref 200 -> 0" in site.run("apply").out
    site.both_hold({prefix: (0, hop) for prefix, (_, hop) in announced.items()})
    eventually(lambda: "- " in site.run("apply").out, why="drain-time is over")
    site.both_hold({})
    site.run("undrain")
    site.run("apply")
    site.both_hold(announced)

    site.server.daemon.kill()
    site.run("apply", check=False)
    site.both_hold({})
    assert "192.0.2.0/24" in operators(site), "the operator's own route is as it was"


def drifts(site: Site) -> None:
    """Change one of our lines at the router by hand."""
    if isinstance(site.router, Bird):
        site.router.birdc("disable", "anycast__10_10_10_10_v4")
        return
    edit = "router bgp 64512\naddress-family ipv4 unicast\nno network 10.10.10.10/32"
    site.router.vtysh(f"configure terminal\n{edit}")


def operators(site: Site) -> str:
    """Return what the router says of the operator's own routes."""
    if isinstance(site.router, Bird):
        return site.router.birdc("show route protocol operator")
    return site.router.vtysh("show running-config")


@pytest.mark.parametrize(("release", "router_name"), PAIRS, ids="-".join)
def test_the_parser_accepts_the_configs_that_the_tests_compare_with(
    release: str, router_name: str
) -> None:
    files = sorted((ROOT / "tests" / "announce" / router_name / "golden").iterdir())
    assert files
    check = {"bird": ("bird", "-p", "-c"), "frr": ("vtysh", "-C", "-f")}[router_name]
    with Lab(release=release) as lab:
        host = lab.host("dns1")
        for file in files:
            host.run(*check, str(file))


@pytest.mark.parametrize(("release", "package"), [("sid", "bird2"), ("sid-bird3", "bird3")])
def test_setup_names_the_example_where_the_package_of_bird_has_no_config_file(
    release: str, package: str
) -> None:
    with Lab(release=release) as lab:
        dns1 = lab.host("dns1")
        dns1.write(CONFIG, json.dumps({**anycast_dns(), "router": {"daemon": "bird"}}))
        done = run(dns1, "setup", check=False, within=PATIENCE)
        assert done.code == Exit.CONFIG
        example = f"/usr/share/doc/{package}/examples/bird.conf"
        assert f"run: cp {example} /etc/bird/bird.conf" in done.err
        dns1.run("mkdir", "-p", "/etc/bird")
        dns1.run("cp", example, "/etc/bird/bird.conf")
        assert "include" in run(dns1, "setup", "--write", within=PATIENCE).out
        dns1.run("bird", "-p")


@pytest.mark.parametrize("release", RELEASES)
def test_a_root_names_the_versions_that_are_in_it(release: str) -> None:
    found = versions(release)
    assert found["frr"]
    assert found["bird3" if release.endswith("bird3") else "bird2"]


def test_a_host_of_a_release_opens_no_directory_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "closed" / "inside"
    inside.mkdir(parents=True)
    inside.parent.chmod(0o700)
    inside.chmod(0o700)
    monkeypatch.chdir(inside)
    with Lab(release="bookworm") as lab:
        assert lab.host("dns1").run("test", "-d", str(inside)).code == 0
    assert {stat.S_IMODE(one.stat().st_mode) for one in (inside.parent, inside)} == {0o700}


def test_a_host_of_a_release_never_writes_a_python_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(sys, "executable", "/proc/self/python3")  # not in the file system of "/"
    with pytest.raises(LabUnavailableError, match="belongs to the machine"):
        machine_python.install(Path("/"))
    monkeypatch.setattr(sys, "prefix", "/usr")
    with pytest.raises(LabUnavailableError, match="virtual environment"):
        machine_python.shared()
