"""FRR's text, and the laws of the changes between two texts; vtysh runs, but no daemon."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycast_routed.announce.frr import changes, config_lines, layout
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.announce.frr.sender import script
from anycast_routed.announce.frr.speaker import FrrSpeaker
from anycast_routed.announce.frr.vtysh import Vtysh, documents
from anycast_routed.announce.render import Renderer
from anycast_routed.errors import RejectedError, RouterUnavailableError
from tests.support.desired import announcement, draining, plan, sessions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anycast_routed.model import Announcement, Plan

GOLDEN = Path(__file__).parent / "golden"
PEERS = ("172.17.2.254", "172.17.2.253")


def to_peers(*announcements: Announcement, peers: Sequence[str] = PEERS) -> Plan:
    """Return a plan with sessions to these peers, or with the operator's own if there are none."""
    return plan(*announcements, ours=sessions(*peers) if peers else None)


def render(desired: Plan) -> str:
    return Renderer("frr").render(layout.variables(desired, 64512, owner="/run/anycast-routed"))


ANYCAST_DNS = (
    announcement("10.10.10.10/32"),
    announcement("10.10.10.11/32", 190),
    announcement("fd00::10:10:10:10/128", on_host=False),
)
GOLDENS = {
    "anycast-dns": to_peers(*ANYCAST_DNS),
    "draining": to_peers(draining(ANYCAST_DNS[0]), *ANYCAST_DNS[1:]),
    "operators-sessions": to_peers(*ANYCAST_DNS, peers=()),
    "withdrawn": to_peers(peers=("fd00:17:2::fe",)),
    "nothing": to_peers(peers=()),
}


def body(text: str) -> str:
    """Return the text without its first line, which holds digests."""
    return text.partition("\n")[2]


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_golden(name: str) -> None:
    """A change here changes the lines of every operator.

    `python -m tests.announce.frr.test_layout` writes the goldens.
    """
    assert body(render(GOLDENS[name])) == (GOLDEN / f"{name}.conf").read_text()


@pytest.mark.integration
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.conf")), ids=lambda path: path.stem)
def test_vtysh_accepts_every_golden(path: Path) -> None:
    Vtysh(Path("/nonexistent"), "vtysh").parse(path.read_text())


@pytest.mark.integration
def test_vtysh_refuses_a_bad_text_with_its_line() -> None:
    bad = body(render(GOLDENS["anycast-dns"])).replace("set local-preference 190", "set nothing")
    line = bad[: bad.index("set nothing")].count("\n") + 1
    with pytest.raises(RejectedError, match=rf"line {line}: .*set nothing"):
        Vtysh(Path("/nonexistent"), "vtysh").parse(bad)


def test_without_removes_single_prefixes_or_all_from_a_text() -> None:
    cut_out = layout.FrrLayout().without
    drained = render(GOLDENS["draining"])
    assert list(Running(cut_out(drained, [ANYCAST_DNS[0].prefix])).networks) == [
        one.prefix for one in ANYCAST_DNS[1:]
    ]
    assert not Running(cut_out(drained)).networks
    text = render(GOLDENS["anycast-dns"])
    cut = cut_out(text, [ANYCAST_DNS[0].prefix, ANYCAST_DNS[2].prefix])
    assert list(Running(cut).networks) == [ANYCAST_DNS[1].prefix]
    assert not Running(cut).statics
    bare = cut_out(text)
    assert Running(bare).our_neighbors == set(PEERS)
    assert not Running(bare).networks
    assert cut_out(text.replace(" route-map ANY", " route-map NO")) == ""
    assert cut_out("") == ""


def test_a_missing_router_and_a_missing_program_have_different_messages(tmp_path: Path) -> None:
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
def test_a_truncated_answer_means_that_the_router_is_unavailable(tmp_path: Path, says: str) -> None:
    """As when bgpd dies while it answers: vtysh exits with 0 all the same."""
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
announcements = st.builds(
    lambda prefix, local_pref, on_host, is_drained: (
        draining(announcement(prefix, on_host=on_host))
        if is_drained
        else announcement(prefix, local_pref, on_host=on_host)
    ),
    prefixes,
    st.sampled_from([0, 100, 200]),
    st.booleans(),
    st.booleans(),
)
plans = st.builds(
    lambda announced, peers: to_peers(*announced, peers=sorted(peers)),
    st.lists(announcements, unique_by=lambda one: one.prefix, max_size=6),
    st.sets(st.sampled_from([*PEERS, "fd00:17:2::fe"]), max_size=3),
)


@settings(max_examples=100, deadline=None)
@given(plans, plans)
def test_the_changes_are_exactly_the_lines_that_differ(old: Plan, new: Plan) -> None:
    before, wanted = Running(render(old)), Running(render(new))
    todo = changes.changes(wanted, before)
    assert not changes.changes(wanted, wanted)
    gone = before.networks.keys() - wanted.networks.keys()
    assert {line.text for line in todo.withdrawals} == {f"no network {prefix}" for prefix in gone}
    added = {line for line in (*todo.additions, *todo.statics) if not line.text.startswith("no ")}
    owned = {line for line in wanted.owned() if line not in before.owned()}
    assert {line for line in added if wanted.owns(line)} == owned
    # Every route-map comes before the first network that may name it.
    texts = [line.text for line in todo.additions]
    maps = [i for i, text in enumerate(texts) if text.startswith("route-map ")]
    networks = [i for i, text in enumerate(texts) if text.startswith("network ")]
    assert not maps or not networks or max(maps) < min(networks)


@settings(max_examples=100, deadline=None)
@given(plans)
def test_each_portion_has_the_networks_of_its_maps_and_all_is_sent_once(desired: Plan) -> None:
    todo = changes.changes(Running(render(desired)), Running(CONFIG))
    found = changes.portions(todo.additions, Running(CONFIG).networks, most=1)
    assert sorted(line.text for portion in found for line in portion) == sorted(
        line.text for line in todo.additions
    )
    known: set[str] = set()
    for portion in found:
        for line in portion:
            if config_lines.network(line):
                assert config_lines.map_name(line) in known
            known.add(config_lines.map_name(line))


@settings(max_examples=100, deadline=None)
@given(plans)
def test_a_script_of_all_lines_reads_as_the_same_lines(desired: Plan) -> None:
    lines = config_lines.parse(render(desired))
    depth, indented = 0, []
    for command in script(lines):
        if command.startswith("exit"):
            depth -= 1
        elif command.startswith("route-map "):
            depth = 0  # one follows the other without an exit
        indented.append(" " * depth + command)
        depth += config_lines.is_header(command)
    assert config_lines.parse("\n".join(indented)) == lines


if __name__ == "__main__":
    for case, desired in GOLDENS.items():
        (GOLDEN / f"{case}.conf").write_text(body(render(desired)))


def test_without_its_prefixes_a_text_keeps_the_sessions_and_the_unchecked_imports() -> None:
    desired = to_peers(announcement("fd00::10:10:10:10/128", on_host=False))
    owner = "/run/anycast-routed"
    text = Renderer("frr").render(layout.variables(desired, 64512, owner=owner, import_check=False))
    shorter = layout.FrrLayout().without(text)
    assert "network fd00" in text
    assert "network fd00" not in shorter
    assert " no bgp network import-check\n" in shorter
    assert set(Running(shorter).our_neighbors) == set(PEERS)
