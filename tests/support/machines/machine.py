"""A Debian 12 with its own systemd, as a host of the lab: what an operator's machine is like.

    with Lab() as lab:
        dns1, peer = lab.host("dns1"), lab.host("peer")
        lab.lan("lan", dns1, peer)
        with Machine(dns1) as machine:
            machine.network("address add 172.17.2.1/24 dev eth0")
            machine.boot()
            machine.run("systemctl", "start", "bird")
            machine.install(deb)
            print(machine.run("anycast-routed", "status", user="nobody", check=False).out)

Its network is the lab host's, so it talks BGP to the other hosts of the lab. Its disk is a layer in
memory above the image that tests/host/image makes once. BIRD, FRR, gobgpd and unbound are installed
and disabled, so that a script's `apt-get install` of them needs no network. Processes, mounts and
disk are gone with the lab, and also when the test process dies by whatever signal.

A failed test's report has the end of the journal: see the hook in tests/host/conftest.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from anycast_routed.lab import LabError, eventually
from anycast_routed.lab.programs import find
from anycast_routed.system.commands import Completed, run
from tests.support.machines.debian import NETWORK, image

if TYPE_CHECKING:
    from typing import Self

    from anycast_routed.lab import Daemon, Host

_ROOT = "/run/machine/root"
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
_LINES = 200  # of the journal

_DISK = """
mkdir -p /run/systemd /run/machine
mount -n -t tmpfs -o mode=755 lab /run/machine
cd /run/machine
mkdir upper work root
mount -n -t overlay -o "lowerdir=$1,upperdir=upper,workdir=work" overlay root
"""
# A machine in a cgroup of its own: two in the same one would be each other's. 133 is how
# systemd-nspawn says that it wants to be started again, for a reboot.
_BOOT = """
for hierarchy in $(sed -En 's/^[^ ]+ ([^ ]+) cgroup(2 | .*name=systemd).*/\\1/p' /proc/mounts); do
    mkdir -p "$hierarchy/$1"
    echo 0 > "$hierarchy/$1/cgroup.procs"
done
code=133
while [ "$code" -eq 133 ]; do
    code=0
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn -D /run/machine/root --quiet --boot \\
        --machine="$2" --register=no --keep-unit --network-namespace-path=/proc/self/ns/net \\
        --capability=CAP_NET_ADMIN --console=pipe --resolv-conf=off --timezone=off \\
        --link-journal=no || code=$?
done
exit "$code"
"""


class Machine:
    """A Debian 12 in place of a lab host: `host` has its network and its name.

    It is off until `boot`; files are written and commands run then too, but nothing of systemd.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._on: Daemon | None = None
        # The PID is its holder's, which no other host has as long as this one is there.
        self._cgroup = f"anycast-routed-{host.pid}"
        host.run("/bin/sh", "-euc", _DISK, "sh", image())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Switch it off like a cut cable does."""
        leader = self._leader()
        if self._on is not None and leader is not None:
            os.kill(leader, signal.SIGKILL)
            self._on.wait(10)
            self._on = None
            _remove_cgroups(self._cgroup)

    def boot(self, within: float = 30) -> None:
        """Switch it on, and wait until systemd has started everything.

        Raises:
            LabError: it does not come up, or a unit has failed.
        """
        argv = ("/bin/sh", "-euc", _BOOT, "sh", self._cgroup, self.host.name)
        self._on = self.host.start(*argv, name="machine")
        self._is_up(within)

    def reboot(self, within: float = 30) -> None:
        """Reboot it as an operator does, and wait until systemd has started everything.

        Raises:
            LabError: it does not come up, or a unit has failed.
        """
        before = self._leader()
        self.run("systemctl", "reboot", check=False)
        eventually(lambda: self._leader() not in {None, before}, within=within, why="it reboots")
        self._is_up(within)

    def poweroff(self, within: float = 30) -> None:
        """Shut it down, and wait for that; `boot` switches it on again, with the same disk."""
        if self._on is not None:
            self.run("systemctl", "poweroff", check=False)
            self._on.wait(within)
            self._on = None

    def run(
        self,
        *argv: str,
        user: str = "root",
        within: float = 30,
        stdin: str = "",
        check: bool = True,
    ) -> Completed:
        """Run a command as this user to its end, and return its exit code and output.

        Raises:
            LabError: `check` and its exit code is not 0.
        """
        leader = self._leader()
        if leader is None:
            command = self.host.command("chroot", _ROOT)
        else:
            command = [find("nsenter"), "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "--"]
        if user != "root":
            command += ["runuser", "-u", user, "--"]
        done = run([*command, *argv], within=within, stdin=stdin, env=_ENVIRONMENT)
        if check and done.code != 0:
            message = f"{self.host.name}: {' '.join(argv)}: exit code {done.code}"
            raise LabError(message, hint=f"{done.out}{done.err}".strip())
        return done

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file whole, and make its folders."""
        folder = str(PurePosixPath(path).parent)
        script = 'mkdir -p "$1"; cat > "$2.new"; chmod "$3" "$2.new"; mv "$2.new" "$2"'
        self.run("/bin/sh", "-euc", script, "sh", folder, path, f"{mode:o}", stdin=text)

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return self.run("cat", path).out

    def copy(self, file: Path, folder: str) -> str:
        """Copy a file of ours into a folder of its disk; return the path there."""
        shutil.copy(file, self.host.path(f"{_ROOT}{folder}"))
        return f"{folder}/{file.name}"

    def install(self, deb: Path, *options: str) -> str:
        """Install a package with apt-get, from nowhere else, and return what apt-get said."""
        path = self.copy(deb, "/var/cache")
        quick = ("-o", "DPkg::Lock::Timeout=30", "--no-install-recommends")
        return self.run("apt-get", "install", "-y", *quick, *options, path, within=120).out

    def network(self, *lines: str) -> None:
        """Set what its network is at each boot, in the words of `ip -batch`: "address add ...".

        Every other address is gone then, as it would be on a machine that was switched off.
        """
        self.write("/etc/lab-network", "".join(f"{line}\n" for line in lines))
        self.write("/etc/systemd/system/lab-network.service", NETWORK)
        self.run("systemctl", "enable", "lab-network")

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit, such as "MainPID"."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).out.strip()

    def failed(self) -> str:
        """Return the units that have failed, as systemctl lists them."""
        return self.run("systemctl", "--failed", "--plain", "--no-legend").out

    def journal(self, *options: str) -> str:
        """Return the journal of all its boots, or what these options of journalctl leave of it."""
        folder = f"{_ROOT}/var/log/journal"
        fixed = ("--no-pager", "-o", "short-precise", "-D", folder)
        return self.host.run("journalctl", *fixed, *options, check=False).out

    def report(self) -> str:
        """Return, for people, how it is and the end of its journal."""
        state = "off" if self._leader() is None else f"on; {self.failed() or 'no unit has failed'}"
        return f"=== {self.host.name}: {state}\n{self.journal('-n', str(_LINES))}"

    def _leader(self) -> int | None:
        """Return the PID, as seen from outside, of its systemd."""
        if self._on is None or not self._on.alive:
            return None
        return next((pid for pid in self._on.descendants() if _is_init(pid)), None)

    def _is_up(self, within: float) -> None:
        on = self._on
        assert on is not None

        def state() -> str:
            on.check()
            # Its bus is not there at once.
            said = self.run("systemctl", "is-system-running", "--wait", within=within, check=False)
            return said.out.strip() if said.out.strip() in {"running", "degraded"} else ""

        if eventually(state, within=within, why=f"{self.host.name} has booted") == "degraded":
            message = f"{self.host.name} has booted, but not everything has started"
            raise LabError(message, hint=self.report())


def _is_init(pid: int) -> bool:
    """Return whether this is the first process of a PID namespace (proc(5), NSpid)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return False
    return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.split("\n"))


def _remove_cgroups(name: str) -> None:
    """Remove a machine's cgroups, which the kernel keeps, and those of tests that were killed."""
    # os.walk passes over what another test removes meanwhile.
    for folder, _, _ in os.walk("/sys/fs/cgroup", topdown=False):
        top = next((part for part in Path(folder).parts if part.startswith("anycast-routed-")), "")
        if top and (top == name or not Path("/proc", top.rpartition("-")[2]).exists()):
            # The last process there may not quite have gone.
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
