"""No verb and no file shows a BGP password, in any state of the router and the config.

The test reads the verbs and their flags from the program itself, so that it covers new ones.
"""

from __future__ import annotations

import json
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer

from anycast_routed.announce.masking import passwords_in
from anycast_routed.cli.main import _bug
from anycast_routed.cli.program import program
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
"""The part of both passwords that must not appear."""
RUNNER = SUPPORT / "verbs_runner.py"
TEMPLATES = "/etc/anycast-routed/templates"
# Records its arguments and its environment.
VTYSH = """#!/bin/sh
{{ tr '\\0' ' ' < /proc/$$/cmdline; env; echo; }} >> /run/called
{refusal}exec {vtysh} "$@"
"""
# The message of vtysh about a line that bgpd refuses.
REFUSAL = """case " $* " in *' -C -f '*) ;; *' -f '*)
  sed 's/^/line 4: Failure to communicate[13] to bgpd, line: /' >&2; exit 13 ;;
esac
"""


def command_lines(*options: str) -> Iterator[list[str]]:
    """Yield each verb with these options and its arguments; without --json with all its flags."""

    # The type belongs to click, which some versions of typer include.
    def below(command: Any, words: list[str]) -> Iterator[list[str]]:  # noqa: ANN401 - see above
        if verbs := getattr(command, "commands", None):
            for name, child in verbs.items():
                yield from below(child, [*words, name])
            return
        needed = [one for one in command.params if one.required]
        flags = [one for one in command.params if getattr(one, "is_flag", False)]
        given = [] if "--json" in options else [flag.opts[0] for flag in flags]
        yield [*options, *words, *given, *("10.10.10.10/32" for _ in needed)]

    yield from below(typer.main.get_command(program()), [])


def run_all_verbs(site: Site, *options: str) -> dict[str, str]:
    """Run every verb; return the output of each, which must not contain the password."""
    lines = [*command_lines(*options)]
    done = site.dns1.run(sys.executable, str(RUNNER), stdin=json.dumps(lines), within=4 * PATIENCE)
    said = {" ".join(line): text for line, _, text in json.loads(done.out)}
    assert not [line for line in said if SHOWN in said[line]]
    crashed = [text for _, code, text in json.loads(done.out) if code == 70]
    assert not crashed
    assert len(said) == len(lines) > 16
    return said


def nothing_is_shown(site: Site) -> None:
    """Check all files that were written, and the arguments of all processes."""
    for directory in ("/run/anycast-routed", "/var/lib/anycast-routed", "/etc/systemd"):
        for file in site.dns1.path(directory).rglob("*"):
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
    """Use a changed template in the operator's directory."""
    name = f"{site.router_name}.conf.j2"
    text = (SHIPPED_TEMPLATES / name).read_text()
    assert old in text
    site.dns1.write(f"{TEMPLATES}/{name}", text.replace(old, new))
    configured(site, **{"template-dir": TEMPLATES})


@pytest.mark.integration
def test_no_verb_and_no_file_shows_a_password_with_bird(lab: Lab, announced: Held) -> None:
    site = lay_out_with_password(lab, "bird", CANARY)
    assert isinstance(site.router, Bird)
    configured(site)
    daemon = run_daemon_with_changed_password(site, announced)
    assert '  password "********";' in run_all_verbs(site, "-v")["-v render"]
    daemon.terminate(PATIENCE)
    assert SHOWN not in daemon.log()
    site.run("apply")
    write_password(site, CANARY)
    shown = site.run("apply", "--diff").out
    assert '+  password "********";' in shown
    assert SHOWN not in shown
    run_all_verbs(site, "--json")
    nothing_is_shown(site)

    site.dns1.path(PASSWORD_FILE).chmod(0o644)
    assert "has mode 0644" in run_all_verbs(site, "--json")["--json apply"]
    write_password(site, SECOND)
    with_template(site, "{% if sessions %}", "# {{ peers }} {{ sessions }}\n{% if sessions %}")
    assert "elsewhere" in run_all_verbs(site, "-v")["-v render"]
    with_template(site, '{{ peer.password }}"', '{{ peer.password }}" {{ peer.address }}')
    assert "syntax error" in run_all_verbs(site, "--json")["--json apply"]
    assert "********" in (site.router_file().parent / "bird.conf.rejected").read_text()
    site.router.daemon.kill()
    assert "does not answer" in run_all_verbs(site, "--json")["--json apply"]
    nothing_is_shown(site)


@pytest.mark.integration
def test_no_verb_and_no_file_shows_a_password_with_frr(lab: Lab, announced: Held) -> None:
    site = lay_out_with_password(lab, "frr", CANARY)
    vtysh = site.dns1.write("/run/vtysh", VTYSH.format(refusal="", vtysh=find("vtysh")))
    vtysh.chmod(0o755)
    configured(site, vtysh="/run/vtysh")
    daemon = run_daemon_with_changed_password(site, announced)
    run_all_verbs(site, "-v")
    daemon.terminate(PATIENCE)
    assert SHOWN not in daemon.log()
    run_all_verbs(site, "--json")
    nothing_is_shown(site)

    write_password(site, CANARY)
    vtysh.write_text(VTYSH.format(refusal=REFUSAL, vtysh=find("vtysh")))
    assert "Failure to communicate" in run_all_verbs(site, "--json")["--json apply"]
    with_template(site, "timers connect", "timers konnect")
    refused = site.run("apply", "--diff", check=False)
    assert "Unknown command" in refused.err
    assert SHOWN not in refused.out + refused.err
    nothing_is_shown(site)


def run_daemon_with_changed_password(site: Site, announced: Held) -> Any:  # noqa: ANN401 - a daemon of the lab
    """Start the daemon, and change the password while it runs."""
    daemon = site.daemon("-v")
    site.both_hold(announced)
    write_password(site, SECOND)
    eventually(lambda: passwords_in(site.router_file().read_text()) == {SECOND})
    restart_peer(site, SECOND)
    return daemon


def test_a_bug_report_has_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(password: str) -> int:
        return int("x" * len(password))

    with pytest.raises(ValueError, match="invalid literal") as caught:
        broken(CANARY)
    _bug(caught.value)
    assert SHOWN not in capsys.readouterr().err
