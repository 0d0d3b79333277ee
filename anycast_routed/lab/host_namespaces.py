"""The namespaces of one host, and the process that holds them."""

from __future__ import annotations

import contextlib
import selectors
import subprocess  # nosec B404  # noqa: TID251 - the holder lives as long as its host; process.run only waits
from pathlib import Path, PurePosixPath

from anycast_routed.lab.failures import LabUnavailableError
from anycast_routed.lab.programs import find

# The script becomes init of the host's PID namespace, so the kernel kills everything in the host
# when it ends; and it ends when its standard input does, which the kernel closes for us even when
# our own process is killed. That needs no parent-death signal, which follows the thread that
# started a process, not the process.
#
# /etc is a private copy: files are copied, folders are links to the machine's, and the folders that
# the daemons of a lab own are empty ones. A program that is not installed makes no difference.
# Without -n the first mount would make a folder /run/mount on the machine.
_SCRIPT = r"""
set -eu
name=$1
unset SCRIPT
read -r pid rest < /proc/self/stat   # still the outer /proc, so the PID as our parent sees it
mount -n -t tmpfs -o mode=755 lab /run
mkdir -p /run/.lab/etc /run/.lab/log /run/lock /run/bird /run/frr /run/nsd
mount -n --rbind /etc /run/.lab/etc
# The links lead here. Root of a user namespace may not do this, and need not: no file is his.
mount -n -o remount,bind,ro /run/.lab/etc 2>/dev/null || :
mount -n -t tmpfs -o mode=755 lab /etc
mount -n -t tmpfs -o mode=1777 lab /var/tmp
mkdir /etc/anycast-routed /etc/bird /etc/frr /etc/knot /etc/nsd /etc/unbound
set --
for entry in /run/.lab/etc/* /run/.lab/etc/.[!.]*; do
  [ -d "$entry" ] || set -- "$@" "$entry"
done
# What this user may not read (shadow) is left out.
cp -P --preserve=mode,timestamps -- "$@" /etc/ 2>/dev/null || :
set --
for entry in /run/.lab/etc/* /run/.lab/etc/.[!.]*; do
  if [ -d "$entry" ] && ! [ -e "/etc/${entry##*/}" ]; then set -- "$@" "$entry"; fi
done
ln -s -- "$@" /etc/
mount -n -t proc proc /proc
hostname "$name"
ip link set lo up
for which in all default; do
  # An address is usable at once, and a reply may leave by another interface, as anycast wants it.
  echo 0 2>/dev/null > /proc/sys/net/ipv6/conf/$which/accept_dad || :
  echo 0 > /proc/sys/net/ipv4/conf/$which/rp_filter
done
exec 3<&0
echo "$pid"
exec >/dev/null 2>&1
cat <&3 &
wait $!
"""

_READY_WITHIN = 10.0  # seconds
_MOST_LINKS = 40  # as many as the kernel follows: path_resolution(7)


class Holder:
    """A network, mount, PID and UTS namespace, as long as this object is open.

    `pid` is the init of the PID namespace as our own processes see it.

    Raises:
        LabUnavailableError: the kernel does not give us the namespaces.
    """

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(  # nosec B603
            [
                find("unshare"),
                *("--net", "--mount", "--pid", "--uts", "--propagation", "private"),
                *("--fork", "--kill-child", "--"),
                # By way of the environment, ps shows one short line.
                *("/bin/sh", "-c", 'eval "$SCRIPT"', "holder", name),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL": "C", "SCRIPT": _SCRIPT},
            start_new_session=True,
        )
        try:
            self.pid = self._ready(name)
        except BaseException:
            self.close()
            raise

    def _ready(self, name: str) -> int:
        stdout, stderr = self._process.stdout, self._process.stderr
        if stdout is None or stderr is None:  # pragma: no cover - both are pipes
            raise AssertionError
        with stdout, stderr:
            with selectors.DefaultSelector() as selector:
                selector.register(stdout, selectors.EVENT_READ)
                line = stdout.readline() if selector.select(_READY_WITHIN) else ""
            if line:
                return int(line)
            self._process.kill()
            message = f"cannot make the namespaces of host {name}: {stderr.read().strip()}"
            hint = "run as root, or as a user by: python -m anycast_routed.lab COMMAND"
            raise LabUnavailableError(message, hint=hint)

    def path(self, path: str) -> Path:
        """Return where an absolute path of the host is, as seen from outside.

        Symbolic links are followed here: the kernel would take an absolute one, such as /var/run,
        for a path of the machine.
        """
        root = Path(f"/proc/{self.pid}/root")
        found = root
        left = _MOST_LINKS
        parts = PurePosixPath(path).parts[::-1]
        todo = [part for part in parts if part != "/"]
        while todo:
            part = todo.pop()
            if part == "..":
                found = found if found == root else found.parent
                continue
            if (found / part).is_symlink() and left:
                left -= 1
                target = (found / part).readlink()
                found = root if target.is_absolute() else found
                todo += [one for one in target.parts[::-1] if one != "/"]
                continue
            found /= part
        return found

    def close(self) -> None:
        """End every process of the host, and with the last one its namespaces and files."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:  # pragma: no cover - a hung mount; --kill-child ends it
            self._process.kill()
            self._process.wait(5)
