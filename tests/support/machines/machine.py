"""A Debian with its own systemd in a host of the lab, like the machine of an operator.

    with Lab() as lab:
        dns1, peer = lab.host("dns1"), lab.host("peer")
        lab.lan("lan", dns1, peer)
        with Machine(dns1) as machine:
            machine.network("address add 172.17.2.1/24 dev eth0")
            machine.boot()
            machine.run("systemctl", "start", "bird")
            machine.install(deb)
            print(machine.run("anycast-routed", "status", user="nobody", check=False).out)

The machine uses the network of the lab host, so its router has sessions with the other hosts of the
lab. Its disk is a layer in memory above a root of the lab (see `debian.image`). BIRD,
FRR, gobgpd and unbound are installed and disabled, so that `apt-get install` of them needs no
network. Processes, mounts and disk end with the lab, also if the test process is killed.

The report of a failed test has the end of the journal: see tests/booted_host/conftest.py.
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
# Each machine needs its own cgroup: two machines in the same cgroup would manage each other's
# processes. systemd-nspawn exits with 133 to be started again for a reboot.
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
    """A Debian machine with the network and the name of a lab host.

    The machine is off until `boot`. Before that, files can be written and commands can be run, but
    systemd does not run.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._nspawn: Daemon | None = None
        # The PID of the host's init process, which is unique while the host exists.
        self._cgroup = f"anycast-routed-{host.pid}"
        host.run("/bin/sh", "-euc", _DISK, "sh", image())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Switch the machine off without a shutdown."""
        leader = self._leader()
        if self._nspawn is not None and leader is not None:
            os.kill(leader, signal.SIGKILL)
            self._nspawn.wait(30)
            self._nspawn = None
            _remove_cgroups(self._cgroup)

    def boot(self, within: float = 90) -> None:
        """Switch the machine on, and wait until systemd has started all units.

        Raises:
            LabError: the machine did not boot in time, or a unit failed.
        """
        argv = ("/bin/sh", "-euc", _BOOT, "sh", self._cgroup, self.host.name)
        self._nspawn = self.host.start(*argv, name="machine")
        self._await_boot(within)

    def reboot(self, within: float = 90) -> None:
        """Run `systemctl reboot`, and wait until systemd has started all units again.

        Raises:
            LabError: the machine did not boot in time, or a unit failed.
        """
        before = self._leader()
        self.run("systemctl", "reboot", check=False)
        reboots = f"{self.host.name} reboots"
        eventually(lambda: self._leader() not in {None, before}, within=within, why=reboots)
        self._await_boot(within)

    def poweroff(self, within: float = 90) -> None:
        """Shut the machine down, and wait for the end; `boot` starts it with the same disk."""
        if self._nspawn is not None:
            self.run("systemctl", "poweroff", check=False)
            self._nspawn.wait(within)
            self._nspawn = None

    def run(
        self,
        *argv: str,
        user: str = "root",
        within: float = 90,
        stdin: str = "",
        check: bool = True,
    ) -> Completed:
        """Run a command as this user to its end, and return its exit code and output.

        Raises:
            LabError: with `check`, the exit code is not 0.
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
        """Write a file atomically, and create its directories."""
        directory = str(PurePosixPath(path).parent)
        script = 'mkdir -p "$1"; cat > "$2.new"; chmod "$3" "$2.new"; mv "$2.new" "$2"'
        self.run("/bin/sh", "-euc", script, "sh", directory, path, f"{mode:o}", stdin=text)

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return self.run("cat", path).out

    def copy(self, file: Path, directory: str) -> str:
        """Copy a file of the test host into a directory of the machine; return its new path."""
        shutil.copy(file, self.host.path(f"{_ROOT}{directory}"))
        return f"{directory}/{file.name}"

    def install(self, deb: Path, *options: str) -> str:
        """Install a package file with apt-get, and return the output of apt-get."""
        path = self.copy(deb, "/var/cache")
        fixed = ("-o", "DPkg::Lock::Timeout=30", "--no-install-recommends")
        return self.run("apt-get", "install", "-y", *fixed, *options, path, within=300).out

    def network(self, *lines: str) -> None:
        """Set the network commands of each boot, in the syntax of `ip -batch`: "address add ...".

        A boot removes all other addresses first, as on a machine that was switched off.
        """
        self.write("/etc/lab-network", "".join(f"{line}\n" for line in lines))
        self.write("/etc/systemd/system/lab-network.service", NETWORK)
        self.run("systemctl", "enable", "lab-network")

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit, such as "MainPID"."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).out.strip()

    def failed(self) -> str:
        """Return the failed units, as listed by systemctl; "" if there is none."""
        return self.run("systemctl", "--failed", "--plain", "--no-legend").out

    def journal(self, *options: str) -> str:
        """Return the journal of all boots; `options` of journalctl select entries."""
        directory = f"{_ROOT}/var/log/journal"
        fixed = ("--no-pager", "-o", "short-precise", "-D", directory)
        return self.host.run("journalctl", *fixed, *options, check=False).out

    def report(self) -> str:
        """Return a text with the state of the machine and the end of its journal."""
        state = "off" if self._leader() is None else f"on; {self.failed() or 'no unit has failed'}"
        return f"=== {self.host.name}: {state}\n{self.journal('-n', str(_LINES))}"

    def _leader(self) -> int | None:
        """Return the PID of the machine's systemd as seen from outside; None if it is off."""
        if self._nspawn is None or not self._nspawn.alive:
            return None
        return next((pid for pid in self._nspawn.descendants() if _is_init(pid)), None)

    def _await_boot(self, within: float) -> None:
        nspawn = self._nspawn
        assert nspawn is not None

        def state() -> str:
            nspawn.check()
            # systemctl fails until the bus of the machine exists.
            done = self.run("systemctl", "is-system-running", "--wait", within=within, check=False)
            return done.out.strip() if done.out.strip() in {"running", "degraded"} else ""

        if eventually(state, within=within, why=f"{self.host.name} boots") == "degraded":
            message = f"{self.host.name} booted, but a unit failed"
            raise LabError(message, hint=self.report())


def _is_init(pid: int) -> bool:
    """Return whether this is the first process of a PID namespace (proc(5), NSpid)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return False
    return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.split("\n"))


def _remove_cgroups(name: str) -> None:
    """Remove the cgroups of a machine, which the kernel keeps, and those of killed tests."""
    # os.walk ignores directories that another test removes at the same time.
    for directory, _, _ in os.walk("/sys/fs/cgroup", topdown=False):
        parts = Path(directory).parts
        top = next((part for part in parts if part.startswith("anycast-routed-")), "")
        if top and (top == name or not Path("/proc", top.rpartition("-")[2]).exists()):
            # The last process of the cgroup may still be exiting.
            with contextlib.suppress(OSError):
                Path(directory).rmdir()
