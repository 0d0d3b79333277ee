"""A password that is easy to find: no verb and no file shows it, whatever state things are in.

The verbs and their flags are read from the program itself, so that a new one is tried as well.
"""

from __future__ import annotations

import json
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer

from anycast_routed.announce.masking import passwords_in
from anycast_routed.cli.main import _bug, app
from anycast_routed.lab.bird import Bird
from anycast_routed.lab.programs import find
from tests.support.password_site import (
    PASSWORD_FILE,
    config_with_password,
    lay_out_with_password,
    restart_peer,
    write_password,
)
from tests.support.paths import SHIPPED_TEMPLATES, SUPPORT
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab
    from tests.support.dns_site import Held, Site

CANARY, SECOND = "cAnAry-77e1", "cAnAry-9b20"
SHOWN = "nAry"
"""What is looked for: a part is as bad."""
RUNNER = SUPPORT / "verbs_runner.py"
TEMPLATES = "/etc/anycast-routed/templates"
# Writes down with what it was called, and with what environment.
VTYSH = """#!/bin/sh
{{ tr '\\0' ' ' < /proc/$$/cmdline; env; echo; }} >> /run/called
{refusal}exec {vtysh} "$@"
"""
# What vtysh says of a line that bgpd does not take.
REFUSAL = """case "$*" in *'-C -f'*) ;; *-f*)
  sed 's/^/line 4: Failure to communicate[13] to bgpd, line: /' >&2; exit 13 ;;
esac
"""


def command_lines(*options: str) -> Iterator[list[str]]:
    """Give each verb with these options and what it needs; and with all of its flags, as text."""

    # typer brings a click of its own, or not, as its version has it.
    def below(command: Any, words: list[str]) -> Iterator[list[str]]:  # noqa: ANN401 - see above
        if verbs := getattr(command, "commands", None):
            for name, child in verbs.items():
                yield from below(child, [*words, name])
            return
        needed = [one for one in command.params if one.required]
        flags = [one for one in command.params if getattr(one, "is_flag", False)]
        given = [] if "--json" in options else [flag.opts[0] for flag in flags]
        yield [*options, *words, *given, *("10.10.10.10/32" for _ in needed)]

    yield from below(typer.main.get_command(app), [])


def say(site: Site, *options: str) -> dict[str, str]:
    """Run every verb; return what each of them said, which must not be the password."""
    lines = [*command_lines(*options)]
    done = site.dns1.run(sys.executable, str(RUNNER), stdin=json.dumps(lines), within=4 * PATIENCE)
    said = {" ".join(line): text for line, _, text in json.loads(done.out)}
    assert not [line for line in said if SHOWN in said[line]]
    crashed = [text for _, code, text in json.loads(done.out) if code == 70]
    assert not crashed
    assert len(said) == len(lines) > 16
    return said


def nothing_is_shown(site: Site) -> None:
    """Look into all that has been written, and into what a process was called with."""
    for folder in ("/run/anycast-routed", "/var/lib/anycast-routed", "/etc/systemd"):
        for file in site.dns1.path(folder).rglob("*"):
            if file.is_file() and SHOWN in file.read_text("utf-8", "replace"):
                assert (file, stat.S_IMODE(file.stat().st_mode)) == (site.router_file(), 0o640)
    called = site.dns1.path("/run/called")
    assert not called.exists() or SHOWN not in called.read_text()
    if isinstance(site.router, Bird):
        assert SHOWN not in site.router.daemon.log()


def configured(site: Site, **router: str) -> None:
    """Set keys of the section `router`."""
    config: dict[str, Any] = config_with_password()
    config["router"] = {"daemon": site.router_name, **router}
    site.configure(config)


def with_template(site: Site, old: str, new: str) -> None:
    """Have a template of the operator's own."""
    name = f"{site.router_name}.conf.j2"
    text = (SHIPPED_TEMPLATES / name).read_text()
    assert old in text
    site.dns1.write(f"{TEMPLATES}/{name}", text.replace(old, new))
    configured(site, **{"template-dir": TEMPLATES})


@pytest.mark.integration
def test_bird(lab: Lab, announced: Held) -> None:
    site = lay_out_with_password(lab, "bird", CANARY)
    assert isinstance(site.router, Bird)
    configured(site)
    daemon = at_work(site, announced)
    assert '  password "********";' in say(site, "-v")["-v render"]
    daemon.terminate(PATIENCE)
    assert SHOWN not in daemon.log()
    site.run("apply")
    write_password(site, CANARY)
    shown = site.run("apply", "--diff").out
    assert '+  password "********";' in shown
    assert SHOWN not in shown
    say(site, "--json")
    nothing_is_shown(site)

    site.dns1.path(PASSWORD_FILE).chmod(0o644)
    assert "has mode 0644" in say(site, "--json")["--json apply"]
    write_password(site, SECOND)
    with_template(site, "{% if sessions %}", "# {{ peers }} {{ sessions }}\n{% if sessions %}")
    assert "elsewhere" in say(site, "-v")["-v render"]
    with_template(site, '{{ peer.password }}"', '{{ peer.password }}" {{ peer.address }}')
    assert "syntax error" in say(site, "--json")["--json apply"]
    assert "********" in (site.router_file().parent / "bird.conf.rejected").read_text()
    site.router.daemon.kill()
    assert "does not answer" in say(site, "--json")["--json apply"]
    nothing_is_shown(site)


@pytest.mark.integration
def test_frr(lab: Lab, announced: Held) -> None:
    site = lay_out_with_password(lab, "frr", CANARY)
    vtysh = site.dns1.write("/run/vtysh", VTYSH.format(refusal="", vtysh=find("vtysh")))
    vtysh.chmod(0o755)
    configured(site, vtysh="/run/vtysh")
    daemon = at_work(site, announced)
    say(site, "-v")
    daemon.terminate(PATIENCE)
    assert SHOWN not in daemon.log()
    say(site, "--json")
    nothing_is_shown(site)

    write_password(site, SECOND)
    vtysh.write_text(VTYSH.format(refusal=REFUSAL, vtysh=find("vtysh")))
    assert "Failure to communicate" in say(site, "--json")["--json apply"]
    with_template(site, "timers connect", "timers konnect")
    refused = site.run("apply", "--diff", check=False)
    assert "Unknown command" in refused.err
    assert SHOWN not in refused.out + refused.err
    nothing_is_shown(site)


def at_work(site: Site, announced: Held) -> Any:  # noqa: ANN401 - a daemon of the lab
    """Start the daemon, and change the password under it."""
    daemon = site.daemon("-v")
    site.both_hold(announced)
    write_password(site, SECOND)
    eventually(lambda: passwords_in(site.router_file().read_text()) == {SECOND})
    restart_peer(site, SECOND)
    return daemon


def test_a_bug_is_told_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(password: str) -> int:
        return int("x" * len(password))

    with pytest.raises(ValueError, match="invalid literal") as caught:
        broken(CANARY)
    _bug(caught.value)
    assert SHOWN not in capsys.readouterr().err
