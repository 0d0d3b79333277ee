"""`apply` refuses a config that would withdraw most prefixes, probably by mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.dns_site import Held, Site

pytestmark = pytest.mark.integration


def test_apply_refuses_to_withdraw_most_prefixes_without_allow_shrink(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    site.run("apply")
    site.both_hold(announced)
    dns_config["anycast"]["prefix"] = "nothing"
    site.configure(dns_config)
    for _ in range(2):
        done = site.run("apply", check=False)
        assert done.code == 78
        assert (
            "would withdraw most of what is announced: 10.10.10.10/32, 10.10.10.11/32" in done.err
        )
        assert "apply --allow-shrink" in done.err
        assert site.tables() == [announced, announced]
    # A dead service is withdrawn even if the config is refused.
    site.server.daemon.kill()
    done = site.run("apply", check=False)
    assert done.code == 78
    left = {p: r for p, r in announced.items() if ":" not in p}
    site.both_hold(left)
    assert site.run("apply", "--allow-shrink").code == 0
    site.both_hold({})
    assert site.run("apply").code == 0


@pytest.mark.parametrize("router_name", ["bird"])
def test_prefixes_lost_without_a_change_of_the_config_are_withdrawn(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    site.run("apply")
    site.both_hold(announced)
    for address in ("10.10.10.10/32", "10.10.10.11/32"):
        site.dns1.remove_address("lo", address)
    assert site.run("apply").code == 0
    site.both_hold({p: r for p, r in announced.items() if ":" in p})
    dns_config["dns"]["interval"] = "2s"
    site.configure(dns_config)
    assert site.run("apply").code == 0
