"""Dead and drained services are withdrawn even if no config can be rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce.bird.layout import BirdLayout
from anycast_routed.announce.frr.layout import FrrLayout
from anycast_routed.lab.frr import Frr
from tests.support.password_site import PASSWORD_FILE, config_with_password, lay_out_with_password
from tests.support.waiting import eventually
from tests.support.watched_site import BOTH_ROUTERS

if TYPE_CHECKING:
    from anycast_routed.lab import Lab
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, BOTH_ROUTERS]

ONE = "10.10.10.11/32"


def test_a_drain_and_a_death_withdraw_without_the_password_file(
    lab: Lab, router_name: str, announced: Held
) -> None:
    site = lay_out_with_password(lab, router_name, "pw-one")
    config = config_with_password()
    config["dns"]["on-fail"], config["anycast"]["floor"] = "lower", 10
    site.configure(config)
    if isinstance(site.router, Frr):
        site.router.vtysh("configure terminal\nlog commands")
    left = site.router_file().with_name(f".{site.router_file().name}.0123abcd")
    site.dns1.write("/run/anycast-routed/" + left.name, "of one that was killed")
    site.run("apply")
    site.both_hold(announced)
    assert not left.exists()
    said = site.run("status").out
    assert "not as planned" not in said
    assert ("log commands" in said) == (router_name == "frr")

    site.dns1.path(PASSWORD_FILE).unlink()
    site.daemon()
    assert site.tables() == [announced, announced], "healthy services stay announced"
    assert ONE in site.run("drain", ONE, "--wait").out
    site.both_hold({prefix: announced[prefix] for prefix in announced if prefix != ONE})
    eventually(lambda: f"drain of {ONE}: out" in site.run("status").out)
    site.server.daemon.kill()
    site.both_hold({})
    text = site.router_file().read_text()
    held = BirdLayout().held(text) if site.router_name == "bird" else FrrLayout().held(text)
    assert not held, "a restart of the router does not bring it back"
