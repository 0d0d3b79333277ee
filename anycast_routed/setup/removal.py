"""Undo everything that `setup` has done, except the config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import boot
from anycast_routed.setup import bird_conf, service_user, units
from anycast_routed.setup.steps import Steps, without_links

if TYPE_CHECKING:
    from anycast_routed.config import Router
    from anycast_routed.report.output import Output

_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_KEPT = (
    "left to you: /etc/anycast-routed, /var/lib/anycast-routed, and user and group anycast-routed"
)


def steps(output: Output, router: Router) -> Steps:
    """Return the steps that remove the units, their user's file and BIRD's include line."""
    installed = [path for path in without_links(output, units.all_paths()) if path.exists()]
    booted = _BOOTED.is_dir()
    names = [path.name for path in installed if path.name != units.WITHDRAW_SCRIPT]
    stop = [("systemctl", "disable", "--now", *names)]
    written = [one for one in (service_user.SYSUSERS, boot.TMPFILES) if one.exists()]
    without_include = bird_conf.without_line(router)
    configure = " && birdc configure" if without_include else ""
    return Steps(
        commands_before=stop if names and booted else [],
        bird_conf=without_include,
        removed_files=[*installed, *written],
        commands_after=[("systemctl", "daemon-reload")] if installed and booted else [],
        next_step=f"now: anycast-routed withdraw{configure}\n{_KEPT}",
        nothing_to_do="there is nothing to remove",
    )
