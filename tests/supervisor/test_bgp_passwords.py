"""TCP MD5 with real peers: the right password, a wrong one, and one that changes at run time."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce.masking import passwords_in
from anycast_routed.lab import Lab, bird
from anycast_routed.lab.groups import group_number
from anycast_routed.lab.programs import find
from tests.support.password_site import (
    DNS1,
    PASSWORD_FILE,
    PEER,
    config_without_password,
    lay_out_with_password,
    restart_peer,
    write_password,
)
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_site import Held, Site

pytestmark = [pytest.mark.integration, pytest.mark.fault(29)]

USER = "51234"


@pytest.fixture(name="lab")
def _lab() -> Iterator[Lab]:
    """Lay out an empty lab for each test."""
    with Lab() as made:
        yield made


def problem(site: Site) -> str:
    """Return the problem that the daemon reports about its config."""
    return site.status().problems.get("config", "")


@pytest.mark.parametrize("router_name", ["bird", "frr"])
def test_a_changed_password_resets_its_own_session_and_no_other(
    lab: Lab, router_name: str, announced: Held
) -> None:
    site = lay_out_with_password(lab, router_name, "pw-one")
    daemon = site.daemon()
    site.both_hold(announced)
    assert stat.S_IMODE(site.router_file().stat().st_mode) == 0o640
    eventually(lambda: not site.status().findings)
    # FRR takes a new neighbor line by line: its session may come up and be reset in between.
    flaps = site.edge.sessions()[DNS1].flaps

    write_password(site, "pw-two")
    eventually(
        lambda: any(PEER in one.about and "password" in one.fix for one in site.status().findings),
        why="the peer with another password is reported",
    )
    assert passwords_in(site.router_file().read_text()) == {"pw-two"}
    assert PEER in site.run("status").out
    written = site.router_file().stat()

    restart_peer(site, "pw-two")
    site.both_hold(announced)
    assert site.router_file().stat() == written, "nothing was loaded in between"
    assert site.edge.sessions()[DNS1].flaps == flaps, "no other session was touched"

    check_a_missing_password_file(site, announced)
    assert site.edge.sessions()[DNS1].flaps == flaps

    site.configure(config_without_password())
    eventually(lambda: not passwords_in(site.router_file().read_text()))
    restart_peer(site, "")
    site.both_hold(announced)
    assert site.edge.sessions()[DNS1].flaps == flaps
    assert stat.S_IMODE(site.router_file().stat().st_mode) == 0o644
    log = daemon.log()
    assert not [one for one in ("pw-one", "pw-two") if one in log]


def check_a_missing_password_file(site: Site, announced: Held) -> None:
    """Delete the password file and then kill the DNS server; restore both."""
    site.dns1.path(PASSWORD_FILE).unlink()
    eventually(lambda: PASSWORD_FILE in problem(site), why="the missing file is reported")
    assert site.tables() == [announced, announced], "the old password stays in force"
    site.server.daemon.kill()
    site.both_hold({})
    site.server.restart()
    site.both_hold(announced)
    site.dns1.write(PASSWORD_FILE, "pw-two\n", mode=0o644)
    eventually(lambda: "0644" in problem(site))
    site.dns1.path(PASSWORD_FILE).chmod(0o640)
    eventually(lambda: not site.status().problems, why="the corrected file mode is noticed")


def test_a_daemon_in_birds_group_gives_bird_the_file(lab: Lab, announced: Held) -> None:
    """BIRD and anycast-routed run as unprivileged users, as with the Debian packages."""
    site = lay_out_with_password(lab, "bird", "pw-one")
    run_as_packaged(site)
    group = group_number(site.dns1, "bird")
    as_user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", f"--groups={group}")
    apply = (*as_user, "--bounding-set=-all", "--no-new-privs", "--", sys.executable)
    refused = site.dns1.run(*apply, "-m", "anycast_routed", "apply", check=False, within=PATIENCE)
    assert (refused.code, "may not be read by user" in refused.err) == (78, True)
    site.dns1.run("chown", f"root:{USER}", PASSWORD_FILE)
    site.dns1.run(*apply, "-m", "anycast_routed", "apply", within=PATIENCE)
    site.both_hold(announced)
    found = site.router_file().stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o640, group)
    site.server.daemon.kill()
    site.dns1.run("chown", "root:root", PASSWORD_FILE)
    refused = site.dns1.run(*apply, "-m", "anycast_routed", "apply", check=False, within=PATIENCE)
    assert refused.code == 78
    site.both_hold({})
    assert passwords_in(site.router_file().read_text()) == {"pw-one"}
    assert stat.S_IMODE(site.router_file().stat().st_mode) == 0o640


def run_as_packaged(site: Site) -> None:
    """Run BIRD as Debian does, and give the run and state directories to the daemon's user."""
    assert isinstance(site.router, bird.Bird)
    site.router.daemon.kill()
    site.dns1.path(bird.CONTROL).unlink(missing_ok=True)
    site.dns1.run("chown", "bird:bird", "/run/bird")
    site.dns1.run("install", "-d", "-o", USER, "-g", USER, "/run/anycast-routed")
    site.dns1.run("install", "-d", "-o", USER, "-g", USER, "/var/lib/anycast-routed")
    site.dns1.start(find("bird"), "-f", "-u", "bird", "-g", "bird", configs=(bird.CONF,))
    eventually(lambda: site.dns1.path(bird.CONTROL).exists(), why="BIRD listens")
