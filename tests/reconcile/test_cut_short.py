"""What a newer plan has cut short is reported by the step that proves it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.announce.confirm import Patience
from anycast_routed.config import loads
from anycast_routed.lab.bird import CONTROL
from anycast_routed.model import Verdict
from anycast_routed.reconcile import cycle
from tests.support.dns_site import lay_out
from tests.support.plans import observed
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = pytest.mark.integration

REFUSING = """
protocol bgp edge { local 172.17.2.1 as 64512; neighbor 172.17.2.254 as 64512;
  connect delay time 0; ipv4 { import none; export none; }; }
"""


def test_an_announcement_that_was_not_proved_is_not_called_announced(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = lay_out(lab, "bird", own=REFUSING)
    del dns_config["bgp"]
    dns_config["router"] = {"control-socket": str(site.file(CONTROL))}
    config = loads(json.dumps(dns_config), name="config.json", toml=False)
    speaker = BirdSpeaker(site.file(CONTROL), site.file("/run/anycast-routed/bird.conf"))
    eventually(lambda: any(one.established for one in speaker.read().sessions))
    inputs = cycle.Inputs(config, observed(Verdict.UP), frozenset())
    first = cycle.step(inputs, speaker, patience=Patience(superseded=lambda: True))
    assert not first.outcome.confirmed
    assert not first.changes, "no session gets a prefix"
    second = cycle.step(inputs, speaker, first.memory)
    assert second.outcome.confirmed
    assert {change.kind for change in second.changes} == {"announced"}
    assert not cycle.step(inputs, speaker, second.memory).changes
