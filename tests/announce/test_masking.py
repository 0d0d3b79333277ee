"""Passwords in the routers' texts: where they stand, how they are masked, and when they change."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import anycast_routed
from anycast_routed.announce.bird.layout import variables as bird_variables
from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.announce.frr import changes, config_lines
from anycast_routed.announce.frr.layout import variables as frr_variables
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.announce.frr.vtysh import Vtysh
from anycast_routed.announce.masking import difference, masked, passwords_in, quoted_safely
from anycast_routed.announce.render import Renderer
from anycast_routed.config import loads
from anycast_routed.decide.plan import plan
from anycast_routed.errors import ConfigError, RejectedError
from anycast_routed.model import Sessions, Verdict
from anycast_routed.password import MASK, Password
from tests.support.configs import anycast_dns
from tests.support.plans import observed

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
CANARY = "cAnAry-0d3e"
FILE = Path("/etc/anycast-routed/edge.password")
KEY = f"# anycast-routed inputs=0 text=0 key={'0123456789abcdef' * 2}\n"
"""The first line of an older text, whose key is kept."""
ROUTERS = ("bird", "frr")
# The shortest template of an operator that prints all variables.
EVERYTHING = "{{ peers }} {{ sessions }} {{ peers[0].password.file }}\n"


def layout(router: str, *texts: str) -> Mapping[str, object]:
    """Return the variables of the anycast-dns plan with these passwords of its peers."""
    made = plan(
        loads(json.dumps(anycast_dns()), name="config.json", toml=False), observed(Verdict.UP)
    )
    assert made.sessions is not None
    secrets = [Password(FILE.with_stem(f"peer{n}"), text) for n, text in enumerate(texts)]
    peers = [replace(p, password=s) for p, s in zip(made.sessions.peers, secrets, strict=False)]
    all_peers = (*peers, *made.sessions.peers[len(peers) :])
    sessions = Sessions(made.sessions.local_as, made.sessions.router_id, all_peers)
    desired = replace(made, sessions=sessions)
    if router == "bird":
        return bird_variables(desired, owner="/run/anycast-routed")
    return frr_variables(desired, 64512, owner="/run/anycast-routed")


def text(router: str, *passwords: str, current: str = KEY) -> str:
    """Render that plan."""
    return Renderer(router).render(layout(router, *passwords), current)


def changed(router: str, directory: Path, old: str, new: str) -> Renderer:
    """Return a renderer with another template than the one we ship."""
    shipped = Path(anycast_routed.__file__).parents[1] / "templates" / f"{router}.conf.j2"
    (directory / shipped.name).write_text(shipped.read_text().replace(old, new))
    return Renderer(router, directory)


@pytest.mark.parametrize("router", ROUTERS)
def test_golden(router: str) -> None:
    """A change here changes the file of every operator: run this module to write it."""
    assert text(router, CANARY) == (HERE / router / "golden" / "password.conf").read_text()


@pytest.mark.integration
def test_the_routers_accept_every_password_character_that_we_accept() -> None:
    alphabet = "".join(chr(one) for one in range(33, 127) if chr(one) not in '"\\|;{}$#`')
    for router in ROUTERS:
        for password in (alphabet[:80], alphabet[-80:], "x" * 80, "a?b", "!x", "no", "%s%n"):
            made = text(router, password, CANARY)
            assert passwords_in(made) == {password, CANARY}
            check(router, made)


def check(router: str, made: str) -> None:
    """Let the router's own parser read the text."""
    if router == "bird":
        BirdSpeaker(Path("/nonexistent"), Path("/nonexistent")).check(made)
    else:
        Vtysh(Path("/nonexistent"), "vtysh").parse(made)


@pytest.mark.parametrize("router", ROUTERS)
def test_an_unchanged_password_is_no_new_text(router: str) -> None:
    first = text(router, CANARY)
    assert text(router, CANARY, current=first) is first
    cut = "".join(line for line in first.splitlines(keepends=True) if "10.10.10.11" not in line)
    assert text(router, CANARY, current=cut) == first, "a shortened file has the key all the same"


@pytest.mark.parametrize("router", ROUTERS)
def test_a_changed_password_is_a_new_text_with_another_fingerprint(router: str) -> None:
    first = text(router, CANARY, "second")
    for others in (("other", "second"), ("second", CANARY), (CANARY,), ()):
        other = text(router, *others, current=first)
        assert other != first
        assert mark(other) != mark(first)
    by_hand = first.replace(CANARY, "by-hand")
    assert text(router, CANARY, "second", current=by_hand) == first


def mark(made: str) -> str:
    """Return the digest that BIRD shows to everyone who may query it."""
    found = re.match(r"[#!] anycast-routed inputs=([0-9a-f]+)", made)
    assert found
    return found[1]


@pytest.mark.parametrize("router", ROUTERS)
def test_no_password_can_be_tried_out_against_a_digest_without_the_key(router: str) -> None:
    texts = [text(router, "1234", current="") for _ in range(3)]
    assert len({mark(one) for one in texts}) == 3
    shown = masked(texts[0])
    assert "1234" not in shown.split("\n", 1)[1]
    assert f"key={MASK}" in shown
    assert "key=" not in text(router), "without a password there is nothing to guard"


@pytest.mark.parametrize("router", ROUTERS)
def test_only_the_passwords_are_masked(router: str) -> None:
    made = text(router, CANARY, "b")
    shown = masked(made)
    assert shown.count(MASK) == 3
    assert CANARY not in shown
    assert shown.count("\n") == made.count("\n")
    check_lines = "neighbor 172.17.2.254 password ********", 'password "********";'
    assert any(line in shown for line in check_lines)


@pytest.mark.parametrize("router", ROUTERS)
def test_a_diff_shows_that_a_password_has_changed_and_not_how(router: str) -> None:
    first = text(router, CANARY)
    lines = difference(FILE, first, text(router, "nEw-one", current=first))
    assert not [line for line in lines if CANARY in line or "nEw" in line or "0123456" in line]
    changed_lines = [line for line in lines if "password" in line and line[1:2] == " "]
    assert [line[0] for line in changed_lines] == ["-", "+"]


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize(
    "new",
    [
        *(EVERYTHING, "{{ peers[0].password }}\n", "{{ peers[0].password.reveal() }}\n"),
        *("{{ peers[0].password | attr('_text') }}\n", "{{ peers[0].password.nope }}\n"),
        *("{{ peers[0].password.reveal }}\n", "{{ peers[0].password | string }}\n"),
        *("{{ 1 / peers[0].password }}\n", "{{ peers[0].password() }}\n"),
        *(
            '{{ "%s" | format(peers[0].password) }}\n',
            "{{ peers | map(attribute='password') | list }}\n",
        ),
    ],
)
def test_a_template_cannot_reveal_a_password(router: str, new: str, tmp_path: Path) -> None:
    comment = "# " if router == "bird" else "! "
    anchor = "{% if sessions %}"
    renderer = changed(router, tmp_path, anchor, f"{comment}{new}{anchor}")
    with pytest.raises(ConfigError) as caught:
        renderer.render(layout(router, CANARY))
    assert CANARY not in str(caught.value)


def test_a_template_cannot_put_a_password_on_a_line_of_its_own(tmp_path: Path) -> None:
    renderer = changed("bird", tmp_path, '  password "{{', '  password\n   "{{')
    with pytest.raises(ConfigError, match="elsewhere"):
        renderer.render(layout("bird", CANARY))


@pytest.mark.parametrize("router", ROUTERS)
def test_a_description_may_look_like_a_masked_password(router: str) -> None:
    given = dict(layout(router, CANARY))
    peers = given["peers"]
    assert isinstance(peers, tuple)
    given["peers"] = tuple(replace(one, description=MASK) for one in peers)
    assert passwords_in(Renderer(router).render(given)) == {CANARY}


def test_a_template_may_place_the_password_line_elsewhere(tmp_path: Path) -> None:
    renderer = changed("bird", tmp_path, '  password "{{', '  password\t  "{{')
    assert passwords_in(renderer.render(layout("bird", CANARY))) == {CANARY}


@pytest.mark.parametrize(
    "filling",
    [
        *("neighbor a password ", " ", "neighbor ", 'password "', "password", "neighbor -a"),
        *("# anycast-routed inputs=", "# anycast-routed inputs= text= ", "password b\n"),
    ],
)
def test_no_content_of_our_file_delays_us(filling: str) -> None:
    made = "neighbor a password a" + filling * ((1 << 20) // len(filling)) + "x"
    begun = time.process_time()
    passwords_in(made)
    masked(made)
    assert time.process_time() - begun < 5


def test_a_neighbor_gets_its_password_first() -> None:
    lines = config_lines.parse(text("frr", CANARY))
    todo = changes.changes(Running(text("frr", CANARY)), Running(""))
    guarded = {config_lines.neighbor(line) for line in lines if config_lines.has_password(line)}
    keys = [
        config_lines.neighbor_key(line)
        for line in todo.additions
        if config_lines.neighbor(line) in guarded
    ]
    assert keys[:2] == ["remote-as", "password"]


def test_a_password_that_was_not_read_is_never_left_out() -> None:
    with pytest.raises(ConfigError):
        text("bird", "")


def test_a_routers_message_is_shown_without_passwords() -> None:
    made = text("frr", CANARY, "b")
    said = f"line 4: % Unknown command: neighbor 10.0.0.1 password {CANARY}; near {CANARY}"
    assert CANARY not in quoted_safely(said, made)
    assert "Unknown command" in quoted_safely(said, text("frr", CANARY))


@pytest.mark.integration
@pytest.mark.parametrize("router", ROUTERS)
def test_a_refusal_does_not_show_the_password(router: str) -> None:
    made = text(router, CANARY)
    broken = (
        made.replace(f'"{CANARY}";', f'"{CANARY}" {CANARY};')
        if router == "bird"
        else made.replace("router bgp 64512", "route-map x permit 10")
    )
    with pytest.raises(RejectedError) as caught:
        check(router, broken)
    assert CANARY not in str(caught.value)


if __name__ == "__main__":
    for each in ROUTERS:
        (HERE / each / "golden" / "password.conf").write_text(text(each, CANARY))
