"""The Debian 12 that every machine of the tests begins as, and what a lab adds to it."""

from __future__ import annotations

from pathlib import Path

from anycast_routed.lab import LabError
from anycast_routed.system.commands import run
from tests.support.machines.cache import cache

_SCRIPT = Path(__file__).with_name("image")
_MAKING_TAKES = 900.0  # seconds: one minute, or a slow mirror
NETWORK = """\
[Unit]
Description=The network of a lab
DefaultDependencies=no
Before=network-pre.target network.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-ip address flush scope global
ExecStart=ip -batch /etc/lab-network

[Install]
WantedBy=multi-user.target
"""
"""A unit that makes the network what /etc/lab-network says, at each boot."""


def image() -> str:
    """Return the folder of the image; make it when there is none yet.

    Raises:
        LabError: debootstrap failed; the hint has the end of what it said.
    """
    done = run([str(_SCRIPT), str(cache())], within=_MAKING_TAKES)
    if done.code != 0:
        message = "cannot make a Debian 12 for the tests"
        raise LabError(message, hint=done.err.strip())
    return done.out.strip()
