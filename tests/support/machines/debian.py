"""The Debian 12 image of the test machines, and the network unit that the tests add to it."""

from __future__ import annotations

from pathlib import Path

from anycast_routed.lab import LabError
from anycast_routed.lab.releases import cache_directory
from anycast_routed.system.commands import run

_SCRIPT = Path(__file__).with_name("image")
_BUILD_TIMEOUT = 3600.0  # seconds: one minute, or ten on a busy machine or with a slow mirror
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
"""A unit that runs the `ip` commands in /etc/lab-network at each boot."""


def image() -> str:
    """Return the directory of the image; build the image first if it does not exist.

    Raises:
        LabError: debootstrap failed; the hint has the end of its output.
    """
    done = run([str(_SCRIPT), str(cache_directory())], within=_BUILD_TIMEOUT)
    if done.code != 0:
        message = "cannot build the Debian 12 image of the tests"
        raise LabError(message, hint=done.err.strip())
    return done.out.strip()
