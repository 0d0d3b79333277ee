"""`apply` asks the old check too where a changed one fails, and ends with 78."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import dns

if TYPE_CHECKING:
    from tests.support.dns_site import Held, Site

pytestmark = [pytest.mark.integration, pytest.mark.fault(66)]

OTHER_PORT = 5300
SAID = "! service dns: the changed check fails (NXDOMAIN), so the old one still decides: "


@pytest.fixture(params=["bird"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Run each test on BIRD only: nothing here depends on the router."""
    name: str = request.param
    return name


def applied_with_a_typo(site: Site, announced: Held, config: dict[str, Any]) -> None:
    """Announce, and apply a config with a typo in `query` two times."""
    site.run("apply")
    site.both_hold(announced)
    config["dns"] |= {"query": "gogle.com.", "fast-interval": "10ms", "half-life": 0}
    site.configure(config)
    for _ in range(2):
        done = site.run("-q", "apply", check=False)
        assert done.code == 78, done
        assert SAID in done.out
        assert "correct dns.query in the config file" in done.out
        assert "anycast-routed apply --force" in done.out
        assert "[AR074]" in done.out
        assert SAID in site.run("status").out
        assert site.tables() == [announced, announced]


def test_a_typo_withdraws_nothing_until_the_old_check_fails_too(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    applied_with_a_typo(site, announced, dns_config)
    warnings = site.document("apply", check=False)["warnings"]
    assert any("the changed check fails" in one for one in warnings)
    site.server.daemon.kill()
    assert site.run("apply").code == 0
    site.both_hold({})
    site.server.restart()
    done = site.run("apply")
    assert "dns is down: NXDOMAIN" in done.out + done.err, "the changed check decides now"
    assert site.tables() == [{}, {}]
    dns_config["dns"]["query"] = "google.com."
    site.configure(dns_config)
    site.run("apply")
    site.both_hold(announced)


def test_a_mended_typo_ends_the_trial(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    applied_with_a_typo(site, announced, dns_config)
    dns_config["dns"]["query"] = "google.com."
    site.configure(dns_config)
    assert "changed check" not in site.run("status").out
    assert site.run("apply").code == 0
    assert site.tables() == [announced, announced]


def test_apply_with_force_lets_the_changed_check_decide(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    applied_with_a_typo(site, announced, dns_config)
    assert "nothing to change" in site.run("apply", "--dry-run").out
    assert "to change" in site.run("apply", "--dry-run", "--force").out
    assert site.tables() == [announced, announced]
    assert site.run("apply", "--force").code == 0
    site.both_hold({})
    assert site.run("apply").code == 0
    assert site.tables() == [{}, {}]


def test_a_changed_check_that_passes_takes_over(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    site.run("apply")
    site.both_hold(announced)
    dns.nsd(site.dns1, port=OTHER_PORT)
    dns_config["dns"]["port"] = OTHER_PORT
    site.configure(dns_config)
    assert site.run("apply").code == 0
    site.server.daemon.kill()
    assert site.run("apply").code == 0
    assert site.tables() == [announced, announced]
