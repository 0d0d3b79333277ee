"""A config that would withdraw most of what is announced, by mistake, and `apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.dns_site import Held, Site

pytestmark = pytest.mark.integration


def test_apply_refuses_until_it_is_told_that_it_is_meant(
    site: Site, announced: Held, seed: dict[str, Any]
) -> None:
    site.run("apply")
    site.both_hold(announced)
    seed["anycast"]["prefix"] = "nothing"
    site.configure(seed)
    for _ in range(2):
        done = site.run("apply", check=False)
        assert done.code == 78
        assert (
            "would withdraw most of what is announced: 10.10.10.10/32, 10.10.10.11/32" in done.err
        )
        assert "apply --allow-shrink" in done.err
        assert site.tables() == [announced, announced]
    # What is dead must go, whatever stands in the config.
    site.server.daemon.kill()
    done = site.run("apply", check=False)
    assert done.code == 78
    left = {p: r for p, r in announced.items() if ":" not in p}
    site.both_hold(left)
    assert site.run("apply", "--allow-shrink").code == 0
    site.both_hold({})
    assert site.run("apply").code == 0


@pytest.mark.parametrize("router_name", ["bird"])
def test_what_is_no_change_of_the_config_is_no_mistake(
    site: Site, announced: Held, seed: dict[str, Any]
) -> None:
    site.run("apply")
    site.both_hold(announced)
    for address in ("10.10.10.10/32", "10.10.10.11/32"):
        site.dns1.remove_address("lo", address)
    assert site.run("apply").code == 0
    site.both_hold({p: r for p, r in announced.items() if ":" in p})
    seed["dns"]["interval"] = "2s"
    site.configure(seed)
    assert site.run("apply").code == 0
