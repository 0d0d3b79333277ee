"""Our routes for the operator's sessions: a small table, and a pipe to the operator's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from anycast_routed.lab.bird import Bird
from tests.support.dns_site import RUN_DIR, Held, Site, lay_out
from tests.support.paths import ROOT
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.fault(43)]

FILE: Final = f"{RUN_DIR}/bird.conf"
TEMPLATES: Final = "/etc/anycast-routed/templates"
EDGE: Final = """
protocol bgp edge { local 172.17.2.1 as 64512; neighbor 172.17.2.254 as 64512;
  connect delay time 0;
  ipv4 { import none; export where source = RTS_STATIC && proto ~ "anycast_*"; next hop keep; };
  ipv6 { import none; export where source = RTS_STATIC && proto ~ "anycast_*"; next hop keep; }; }
"""


@pytest.fixture
def operators(lab: Lab, dns_config: dict[str, Any]) -> Site:
    """Lay out a site whose only session is the operator's."""
    site = lay_out(lab, "bird", own=EDGE)
    del dns_config["bgp"]
    return site


def birdc(site: Site, command: str) -> str:
    """Return what dns1's BIRD answers."""
    assert isinstance(site.router, Bird)
    return site.router.birdc(command)


def test_a_routes_source_and_protocol_are_the_same_behind_the_pipe(
    operators: Site, dns_config: dict[str, Any], announced: Held
) -> None:
    operators.configure(dns_config)
    operators.run("apply")
    eventually(lambda: operators.tables()[1] == announced)
    text = operators.dns1.read(FILE)
    assert "table anycast4;" in text
    assert "table master4;\n  import none;" in text, "only the pipe has the operator's table"
    operators.server.daemon.kill()
    operators.run("apply")
    eventually(lambda: operators.tables()[1] == {})
    operators.server.restart()
    operators.run("apply")
    eventually(lambda: operators.tables()[1] == announced)
    assert "nothing to change" in operators.run("plan").out


def test_a_disabled_pipe_is_enabled_again(
    operators: Site, dns_config: dict[str, Any], announced: Held
) -> None:
    operators.configure(dns_config)
    operators.run("apply")
    eventually(lambda: operators.tables()[1] == announced)
    birdc(operators, "disable anycast__pipe4")
    v6 = {prefix: route for prefix, route in announced.items() if ":" in prefix}
    eventually(lambda: operators.tables()[1] == v6)
    shown = operators.run("explain", "10.10.10.10", check=False).out
    assert "protocol pipe anycast__pipe4 is disabled" in shown
    operators.run("apply")
    eventually(lambda: operators.tables()[1] == announced)
    birdc(operators, "disable anycast__pipe4")
    operators.dns1.address("lo", "10.10.10.12/32", label="lo:dns3")
    operators.run("apply")
    eventually(lambda: "10.10.10.12/32" in operators.tables()[1])


def test_a_template_without_the_pipes_puts_the_routes_into_the_operators_table(
    operators: Site, dns_config: dict[str, Any], announced: Held
) -> None:
    source = (ROOT / "templates/bird.conf.j2").read_text()
    begin, end = source.index("{% for pipe in pipes %}"), source.index("{% for block in")
    older = source[:begin] + source[end:].replace("block.own_table", "block.table")
    operators.dns1.write(f"{TEMPLATES}/bird.conf.j2", older)
    dns_config["router"] = {"template-dir": TEMPLATES}
    operators.configure(dns_config)
    operators.run("apply")
    eventually(lambda: operators.tables()[1] == announced)
    assert "pipe" not in operators.dns1.read(FILE)
    operators.server.daemon.kill()
    operators.run("apply")
    eventually(lambda: operators.tables()[1] == {})
    operators.server.restart()
    # The shipped template: the routes stay where they are, so the neighbor receives nothing.
    del dns_config["router"]
    operators.configure(dns_config)
    operators.run("apply")
    eventually(lambda: operators.tables()[1] == announced)
    assert "table master4; preference 250" in operators.dns1.read(FILE)
