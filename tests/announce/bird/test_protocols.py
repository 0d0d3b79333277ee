"""Our text on BIRD: which protocol has which prefix, and what a withdrawal leaves of it."""

from ipaddress import ip_address, ip_network

import pytest

from anycast_routed.announce.bird import layout, protocols
from anycast_routed.announce.bird.owned import Owned, described_in, session_name
from anycast_routed.announce.render import Renderer
from anycast_routed.model import Plan, Prefix
from tests.support.desired import announcement, plan, sessions

ONE, TWO = ip_network("10.0.0.1/32"), ip_network("10.0.0.2/32")
GROUP = """\
define anycast_routed_loaded = "00";

protocol static anycast_dns_v4 {
  ipv4 { table master4; };
  route 10.0.0.1/32 blackhole { bgp_local_pref = 200; bgp_next_hop = 172.17.2.1; };
  route 10.0.0.2/32 blackhole { bgp_local_pref = 190; bgp_next_hop = 172.17.2.1; };
}
"""


def rendered(decision: Plan, current: str = "", lost: frozenset[Prefix] = frozenset()) -> str:
    """Render as a step does, with the text that stands in the file."""
    renderer = Renderer("bird", structure=protocols.structure)
    variables = layout.variables(decision, current, lost, owner="/run/anycast-routed")
    return renderer.render(variables, current or None)


def many(count: int) -> Plan:
    """Return a plan with so many prefixes of one service, for the operator's sessions."""
    return plan(*(announcement(f"10.0.1.{number}/32") for number in range(count)), ours=None)


@pytest.mark.parametrize(("count", "alone"), [(1, True), (16, True), (17, False)])
def test_each_prefix_of_a_small_service_has_its_own_protocol(count: int, *, alone: bool) -> None:
    names = [one.name for one in protocols.blocks(rendered(many(count)))]
    assert len(names) == (count if alone else 1)
    assert all(name.startswith("anycast__") for name in names) == alone


def test_a_withdrawal_disables_and_keeps_the_structure() -> None:
    text = rendered(many(3))
    gone = ip_network("10.0.1.1/32")
    less = protocols.without(text, [gone])
    assert protocols.held(less) == protocols.held(text) - {gone}
    assert protocols.structure(less) == protocols.structure(text)
    assert layout.mark(less) == layout.mark(text)
    assert protocols.split(text, [gone]) == (("anycast__10_0_1_1_v4",), frozenset())
    assert not protocols.held(protocols.without(text, None))


def test_from_a_group_only_the_line_of_one_prefix_goes() -> None:
    less = protocols.without(GROUP, [ONE])
    assert protocols.held(less) == {TWO}
    assert not any(protocols.states(less).values())
    assert protocols.split(GROUP, [ONE]) == ((), frozenset({ONE}))
    assert protocols.split(GROUP, [ONE, TWO]) == (("anycast_dns_v4",), frozenset())


@pytest.mark.parametrize(
    "text",
    [
        "route 10.0.0.1/32 blackhole;\n",
        GROUP.replace(" blackhole {", " blackhole  {"),
        GROUP.removesuffix("}\n"),
    ],
)
def test_a_text_of_another_form_never_announces_what_is_withdrawn(text: str) -> None:
    assert ONE in protocols.held(text)
    assert ONE not in protocols.held(protocols.without(text, [ONE]))


def test_a_prefix_stays_in_the_protocol_that_has_it() -> None:
    decision = plan(announcement(str(ONE)), announcement(str(TWO)), ours=None)
    kept = protocols.blocks(rendered(decision, GROUP))
    assert [(one.name, one.preference) for one in kept] == [("anycast_dns_v4", None)]
    lost = protocols.blocks(rendered(decision, GROUP, frozenset({ONE, TWO})))
    assert {(one.name, one.preference) for one in lost} == {
        ("anycast__10_0_0_1_v4", 250),
        ("anycast__10_0_0_2_v4", 250),
    }


def test_a_protocol_in_another_table_is_no_home() -> None:
    """The operator has removed `bgp`: the routes get a pipe to the master tables, and 250."""
    decision = plan(announcement(str(ONE)), ours=sessions("172.17.2.254"))
    before = rendered(decision)
    (after,) = protocols.blocks(rendered(plan(announcement(str(ONE)), ours=None), before))
    assert (after.table, after.preference) == ("anycast4", 250)


def test_a_protocol_keeps_its_table() -> None:
    """A text of 0.1.0 has it in the operator's table, and a later one behind a pipe."""
    decision = plan(announcement(str(ONE)), announcement(str(TWO)), ours=None)
    new = rendered(decision)
    assert {one.table for one in protocols.blocks(new)} == {"anycast4"}
    assert rendered(decision, new) == new
    older = rendered(decision, GROUP)
    assert [(one.name, one.table) for one in protocols.blocks(older)] == [
        ("anycast_dns_v4", "master4")
    ]
    assert "pipe" not in older


@pytest.mark.parametrize(
    ("name", "by_file", "lost", "not_run"),
    [
        ("anycast__10_0_0_1_v4", False, True, False),
        ("anycast_dns_v4", True, True, False),
        ("anycast_web_v4", False, True, False),
        ("anycast_srv", False, False, False),
    ],
)
def test_a_protocol_is_ours_by_the_file_or_by_its_form(
    name: str, *, by_file: bool, lost: bool, not_run: bool
) -> None:
    known = (Owned.by(GROUP), Owned(), Owned(frozenset()))
    assert tuple(one.has(name) for one in known) == (by_file, lost, not_run)


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ('protocol static anycast__a_v4 {\n  disabled;\n  description "anycast-routed";\n', True),
        ('protocol  static  anycast__a_v4 { description "web"; ipv4; }', False),
        ('protocol static anycast__a_v4 { ipv4; }\n# description "anycast-routed";', False),
    ],
)
def test_a_protocol_of_any_layout_is_ours_and_described_if_it_says_so(
    text: str, *, described: bool
) -> None:
    assert Owned.by(text).has("anycast__a_v4")
    assert described_in(text) == ({"anycast__a_v4"} if described else frozenset())


def test_a_session_is_ours_by_its_neighbor() -> None:
    assert session_name(ip_address("172.17.2.254")) == "anycast_peer_172_17_2_254"
    assert session_name(ip_address("fd00::1")) == "anycast_peer_fd00__1"
