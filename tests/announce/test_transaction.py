"""Rare failures of the transaction, on a real BIRD whose speaker fails at one step."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.announce import transaction
from anycast_routed.announce.bird.layout import variables
from anycast_routed.announce.bird.protocols import held
from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.announce.render import Renderer
from anycast_routed.config import loads
from anycast_routed.decide.plan import plan
from anycast_routed.errors import CannotWriteError, NotConfirmedError
from anycast_routed.model import Verdict
from tests.support.configs import anycast_dns
from tests.support.dns_site import Held, Site, lay_out
from tests.support.plans import OWNER, observed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anycast_routed.lab import Lab
    from anycast_routed.model import Plan, Readback

pytestmark = pytest.mark.integration

ONE = ip_network("10.10.10.10/32")


class Blind(BirdSpeaker):
    """A BIRD that, from its first load on, never shows one prefix."""

    blind = False

    def load(
        self, text: str, previous: str | None = None, enough: Callable[[], bool] = bool
    ) -> str:
        """Load, and hide the prefix from now on."""
        self.blind = True
        return super().load(text, previous, enough)

    def read(self) -> Readback:
        """Leave out the prefix."""
        seen = super().read()
        kept = tuple(route for route in seen.originated if route.prefix != ONE)
        return replace(seen, originated=kept) if self.blind else seen


class Full(BirdSpeaker):
    """A BIRD whose disk is full during the load."""

    def load(
        self, text: str, previous: str | None = None, enough: Callable[[], bool] = bool
    ) -> str:
        """Fail as the file system would."""
        del text, previous, enough
        message = "no space left on device"
        raise CannotWriteError(message)


def decision(config: dict[str, Any], labels: tuple[str, ...]) -> Plan:
    """Plan for the anycast-dns host with its service up."""
    loaded = loads(json.dumps(config), name="config.json", toml=False)
    return plan(loaded, observed(Verdict.UP, labels))


def text_of(wanted: Plan) -> str:
    """Render it for BIRD."""
    return Renderer("bird").render(variables(wanted, owner=OWNER))


@pytest.fixture
def site(lab: Lab, announced: Held) -> Site:
    """Announce the anycast-dns prefixes."""
    made = lay_out(lab, "bird")
    made.run("apply")
    made.both_hold(announced)
    return made


def reach(site: Site) -> tuple[Path, Path]:
    """Return BIRD's socket and our file, as seen from outside the host."""
    return (
        site.dns1.path("/run/bird/bird.ctl"),
        site.dns1.path("/run/anycast-routed/bird.conf"),
    )


@pytest.mark.fault(25)
def test_not_confirmed_and_nothing_to_withdraw_puts_all_back(site: Site, announced: Held) -> None:
    speaker = Blind(*reach(site))
    before = speaker.file.read_bytes()
    config = anycast_dns()
    config["anycast"]["routes"][0]["localpref"] = 77
    wanted = decision(config, ("lo:dns1", "lo:dns2"))
    with pytest.raises(NotConfirmedError, match=r"10\.10\.10\.10/32"):
        transaction.bring(speaker, wanted, text_of(wanted), speaker.read())
    assert speaker.file.read_bytes() == before
    site.both_hold(announced)


@pytest.mark.fault(25)
def test_not_confirmed_never_brings_back_what_was_to_go(site: Site, announced: Held) -> None:
    speaker = Blind(*reach(site))
    wanted = decision(anycast_dns(), ("lo:dns1",))
    with pytest.raises(NotConfirmedError, match="stay withdrawn"):
        transaction.bring(speaker, wanted, text_of(wanted), speaker.read())
    gone = "10.10.10.11/32"
    assert ip_network(gone) not in held(speaker.file.read_text())
    assert all(gone not in table for table in site.tables())
    site.run("apply")
    site.both_hold(announced)


def test_prefixes_are_withdrawn_without_a_load_when_nothing_can_be_loaded(site: Site) -> None:
    speaker = Full(*reach(site))
    wanted = replace(decision(anycast_dns(), ("lo:dns1",)), announcements=())
    with pytest.raises(CannotWriteError):
        transaction.bring(speaker, wanted, text_of(wanted), speaker.read())
    site.both_hold({})
    assert not held(speaker.file.read_text())
