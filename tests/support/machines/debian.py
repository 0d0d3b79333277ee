"""The Debian of the test machines, and the network unit that the tests add to it."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from anycast_routed.lab import releases
from anycast_routed.system.commands import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anycast_routed.system.commands import Completed

RELEASE = os.environ.get("ANYCAST_ROUTED_MACHINE", "bookworm")
"""The release of the machines and of the package: one of `releases.RELEASES`."""
SUITE = RELEASE.removesuffix("-bird3")
PYTHON = {"bookworm": 11, "trixie": 13, "sid": 14}[SUITE]
"""The minor version of Python 3 in that Debian."""
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
# A root in memory above the layers, with /dev and the given paths of this machine.
_IN_ROOT = """
layers=$1
cd "$2"
shift 2
mount -n -t tmpfs -o mode=755 lab "$PWD"
cd "$PWD"
mkdir upper work root
mount -n -t overlay -o "lowerdir=$layers,upperdir=upper,workdir=work" overlay root
mount -n -t proc proc root/proc
cp /etc/resolv.conf root/etc/ 2>/dev/null || :
while [ "$1" != -- ]; do
    mkdir -p "root$1"
    mount -n --rbind "$1" "root$1"
    shift
done
shift
exec chroot root env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
"""


def image() -> str:
    """Return the layers of a machine; build them first if they do not exist.

    Raises:
        LabError: debootstrap failed; the hint has the end of its output.
    """
    return releases.layers(RELEASE, "machine")


def run_in_builder(
    argv: Sequence[str],
    *,
    shared: Sequence[Path],
    env: Mapping[str, str],
    within: float,
    release: str = RELEASE,
) -> Completed:
    """Run a command in a Debian of this release that can build packages: see `run_in`."""
    layers = releases.layers(release, "builder")
    return run_in(layers, argv, shared=shared, env=env, within=within)


def run_in(
    layers: str,
    argv: Sequence[str],
    *,
    shared: Sequence[Path],
    env: Mapping[str, str],
    within: float,
) -> Completed:
    """Run a command as root in a Debian made of these layers.

    Of this machine it has the network, /dev and the paths of `shared`. Its own files are in
    memory, and are gone afterwards.
    """
    script = ("unshare", "--mount", "/bin/sh", "-euc", _IN_ROOT, "sh", layers)
    given = [f"{name}={value}" for name, value in env.items()]
    with tempfile.TemporaryDirectory(prefix="root-") as place:
        paths = ("/dev", *map(str, shared))
        return run([*script, place, *paths, "--", *given, *argv], within=within)
