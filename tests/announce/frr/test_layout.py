"""What the template renders, and the laws of the difference; vtysh is asked, but no daemon."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycast_routed.announce.frr import changes, config_lines, layout
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.announce.frr.speaker import FrrSpeaker
from anycast_routed.announce.frr.vtysh import Vtysh, documents
from anycast_routed.announce.render import Renderer
from anycast_routed.errors import RejectedError, RouterUnavailableError
from anycast_routed.model import Announcement, Peer, Plan, Sessions

GOLDEN = Path(__file__).parent / "golden"
HOPS = {4: ip_address("172.17.2.1"), 6: ip_address("fd00:17:2::1")}


def announce(prefix: str, local_pref: int, *, here: bool, drain: bool = False) -> Announcement:
    net = ip_network(prefix)
    note = "draining" if drain else ""
    return Announcement(net, "dns", "lo:dns1", local_pref, HOPS[net.version], here, drain, note)


def plan(*announcements: Announcement, peers: tuple[str, ...] = ()) -> Plan:
    listed = tuple(Peer(i, ip_address(one), 64512, f"up {i}") for i, one in enumerate(peers, 1))
    brought = Sessions(64512, IPv4Address("172.17.2.1"), listed) if peers else None
    return Plan(("dns",), brought, announcements, ())


def render(wish: Plan) -> str:
    return Renderer("frr").render(layout.variables(wish, 64512))


SEED = (
    announce("10.10.10.10/32", 200, here=True),
    announce("10.10.10.11/32", 190, here=True),
    announce("fd00::10:10:10:10/128", 200, here=False),
)
DRAINING = (announce("10.10.10.10/32", 0, here=True, drain=True), *SEED[1:])
GOLDENS = {
    "seed": plan(*SEED, peers=("172.17.2.254", "172.17.2.253")),
    "draining": plan(*DRAINING, peers=("172.17.2.254", "172.17.2.253")),
    "operators-sessions": plan(*SEED),
    "withdrawn": plan(peers=("fd00:17:2::fe",)),
    "nothing": plan(),
}


def body(text: str) -> str:
    """Leave out the first line, which holds digests of the rest."""
    return text.partition("\n")[2]


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_golden(name: str) -> None:
    """`python test_frr_text.py` writes them."""
    assert body(render(GOLDENS[name])) == (GOLDEN / f"{name}.conf").read_text()


@pytest.mark.integration
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.conf")), ids=lambda path: path.stem)
def test_vtysh_takes_every_golden(path: Path) -> None:
    Vtysh(Path("/nonexistent"), "vtysh").parse(path.read_text())


@pytest.mark.integration
def test_vtysh_refuses_a_bad_one_with_its_line() -> None:
    bad = body(render(GOLDENS["seed"])).replace("set local-preference 190", "set nothing")
    line = bad[: bad.index("set nothing")].count("\n") + 1
    with pytest.raises(RejectedError, match=rf"line {line}: .*set nothing"):
        Vtysh(Path("/nonexistent"), "vtysh").parse(bad)


def test_without_takes_single_prefixes_or_all_out_of_a_text(tmp_path: Path) -> None:
    speaker = FrrSpeaker(tmp_path, "vtysh", tmp_path / "frr.conf")
    draining = render(GOLDENS["draining"])
    assert list(Running(speaker.without(draining, [SEED[0].prefix])).networks) == [
        one.prefix for one in SEED[1:]
    ]
    assert not Running(speaker.without(draining)).networks
    text = render(GOLDENS["seed"])
    cut = speaker.without(text, [SEED[0].prefix, SEED[2].prefix])
    assert list(Running(cut).networks) == [SEED[1].prefix]
    assert not Running(cut).statics
    bare = speaker.without(text)
    assert Running(bare).our_neighbors == {"172.17.2.254", "172.17.2.253"}
    assert not Running(bare).networks
    assert speaker.without(text.replace(" route-map ANY", " route-map NO")) == ""
    assert speaker.without("") == ""


def test_a_missing_router_is_told_apart_from_a_missing_program(tmp_path: Path) -> None:
    speaker = FrrSpeaker(tmp_path, "vtysh", tmp_path / "f", tmp_path / "frr.conf")
    with pytest.raises(RouterUnavailableError, match="bgpd is not running"):
        speaker.incarnation()
    with pytest.raises(RouterUnavailableError, match="bgpd is not running"):
        speaker.read()
    with pytest.raises(RouterUnavailableError, match="not installed"):
        Vtysh(tmp_path, "no-such-vtysh").parse("")


CONFIG = "Current configuration:\n!\nfrr version 8.4.4\nrouter bgp 64512\nexit\n!\nend\n"


@pytest.mark.parametrize(
    "says",
    [
        "",
        CONFIG[:50],
        CONFIG,
        CONFIG + '{"ipv4Unicast": {"peers": {',
        CONFIG + "{}\n{}\n",
        CONFIG + '{"a": "\udcff',
    ],
    ids=["nothing", "half a config", "no summary", "half a document", "one too many", "no UTF-8"],
)
def test_an_answer_that_breaks_off_is_a_router_that_is_not_there(tmp_path: Path, says: str) -> None:
    """As bgpd's, when it dies in the middle of it: vtysh ends with 0 all the same."""
    (tmp_path / "says").write_text(says, errors="surrogateescape")
    program = tmp_path / "vtysh"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/says\n")
    program.chmod(0o755)
    (tmp_path / "bgpd.vty").touch()
    speaker = FrrSpeaker(tmp_path, str(program), tmp_path / "f", tmp_path / "frr.conf")
    with pytest.raises(RouterUnavailableError, match="broke off"):
        speaker.read()
    if not says.endswith(CONFIG):
        with pytest.raises(RouterUnavailableError, match="broke off"):
            speaker.load("")


def test_documents_are_read_one_after_the_other() -> None:
    assert documents('{"a": 1}\n% no such map\n{\n}\n[2]') == [{"a": 1}, None, {}, [2]]
    assert documents("") == []


def test_an_as_number_is_read_in_either_notation() -> None:
    for text in ("router bgp 1.10 as-notation dot", "router bgp 65546"):
        assert Running(text).local_as == 65546
    assert Running("router bgp 64512 vrf red").local_as is None


prefixes = st.one_of(
    st.integers(1, 2**24).map(lambda n: f"{IPv4Address(n)}/32"),
    st.integers(1, 2**24).map(lambda n: f"{IPv6Address(n + 2**126)}/128"),
)
plans = st.builds(
    lambda announced, peers: plan(*announced, peers=tuple(sorted(peers))),
    st.lists(
        st.builds(
            lambda prefix, pref, here, drain: announce(prefix, pref, here=here, drain=drain),
            prefixes,
            st.sampled_from([0, 100, 200]),
            st.booleans(),
            st.booleans(),
        ),
        unique_by=lambda one: one.prefix,
        max_size=6,
    ),
    st.sets(st.sampled_from(["172.17.2.254", "172.17.2.253", "fd00:17:2::fe"]), max_size=3),
)


@settings(max_examples=100, deadline=None)
@given(plans, plans)
def test_the_difference_holds_exactly_what_differs(old: Plan, new: Plan) -> None:
    before, wanted = Running(render(old)), Running(render(new))
    todo = changes.changes(wanted, before)
    assert not changes.changes(wanted, wanted)
    gone = before.networks.keys() - wanted.networks.keys()
    assert {line.text for line in todo.withdrawals} == {f"no network {prefix}" for prefix in gone}
    added = {line for line in (*todo.additions, *todo.statics) if not line.text.startswith("no ")}
    owned = {line for line in wanted.owned() if line not in before.owned()}
    assert {line for line in added if wanted.owns(line)} == owned
    # Every map stands before the first network that may name it.
    texts = [line.text for line in todo.additions]
    maps = [i for i, text in enumerate(texts) if text.startswith("route-map ")]
    networks = [i for i, text in enumerate(texts) if text.startswith("network ")]
    assert not maps or not networks or max(maps) < min(networks)


@settings(max_examples=100, deadline=None)
@given(plans)
def test_a_script_of_all_lines_reads_as_the_same_lines(wish: Plan) -> None:
    lines = config_lines.parse(render(wish))
    depth, indented = 0, []
    for command in config_lines.script(lines):
        if command.startswith("exit"):
            depth -= 1
        indented.append(" " * depth + command)
        depth += config_lines.is_header(command)
    assert config_lines.parse("\n".join(indented)) == lines


if __name__ == "__main__":
    for case, wish in GOLDENS.items():
        (GOLDEN / f"{case}.conf").write_text(body(render(wish)))
