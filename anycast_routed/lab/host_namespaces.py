"""The network, mount, PID and UTS namespaces of one host, and the process that keeps them open."""

from __future__ import annotations

import contextlib
import selectors
import subprocess  # nosec B404  # noqa: TID251 - the process lives as long as its host; commands.run waits
from pathlib import Path, PurePosixPath

from anycast_routed.lab.failures import LabUnavailableError
from anycast_routed.lab.programs import find

# The shell becomes init (PID 1) of the host's PID namespace: when it ends, the kernel kills every
# process of the host. The shell ends when its standard input is closed, and the kernel closes it
# also if the Python process is killed. A parent-death signal would not work: the kernel sends it
# when the thread ends that started the process.
#
# /etc is private, and its entries are links to those of the machine, which are read-only. The
# directories that the daemons of a lab write to are new and empty, whether or not the program is
# installed. Without -n the first mount would create the directory /run/mount on the machine.
_SCRIPT = r"""
set -eu
name=$1
unset SCRIPT
read -r pid rest < /proc/self/stat   # /proc is still that of the parent, so this is the outer PID
mount -n -t tmpfs -o mode=755 lab /run
mkdir -p /run/.lab/etc /run/.lab/log /run/lock /run/bird /run/frr /run/nsd
mount -n --rbind /etc /run/.lab/etc
# The links in the private /etc lead here, so make it read-only. Root of a user namespace may not
# remount it, but cannot write there either: it owns none of the files.
mount -n -o remount,bind,ro /run/.lab/etc 2>/dev/null || :
# In a container, files such as /etc/hosts are mounts of their own.
while read -r _ _ _ _ point rest; do
  case $point in /run/.lab/etc/*) mount -n -o remount,bind,ro "$point" 2>/dev/null || : ;; esac
done < /proc/self/mountinfo
mount -n -t tmpfs -o mode=755 lab /etc
mount -n -t tmpfs -o mode=1777 lab /var/tmp
mkdir /etc/anycast-routed /etc/bird /etc/frr /etc/knot /etc/nsd /etc/unbound
set --
for entry in /run/.lab/etc/* /run/.lab/etc/.[!.]*; do
  if [ -L "$entry" ]; then
    cp -P -- "$entry" /etc/   # it can be relative
  elif [ -e "$entry" ] && ! [ -e "/etc/${entry##*/}" ]; then
    set -- "$@" "$entry"
  fi
done
ln -s -- "$@" /etc/
mount -n -t proc proc /proc
hostname "$name"
ip link set lo up
for which in all default; do
  # A new address is usable at once, and a reply may leave by another interface (anycast).
  echo 0 2>/dev/null > /proc/sys/net/ipv6/conf/$which/accept_dad || :
  echo 0 > /proc/sys/net/ipv4/conf/$which/rp_filter
done
exec 3<&0
echo "$pid"
exec >/dev/null 2>&1
cat <&3 &
wait $!
"""

_READY_WITHIN = 30.0  # seconds
_MOST_LINKS = 40  # the kernel follows as many: path_resolution(7)


class HostNamespaces:
    """A network, mount, PID and UTS namespace that exist until `close`.

    `pid` is the PID of the namespace's init process as seen from outside.

    Raises:
        LabUnavailableError: the kernel does not allow the namespaces.
    """

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(  # nosec B603
            [
                find("unshare"),
                *("--net", "--mount", "--pid", "--uts", "--propagation", "private"),
                *("--fork", "--kill-child", "--"),
                # The script is in the environment, so that ps shows one short line.
                *("/bin/sh", "-c", 'eval "$SCRIPT"', "lab-host", name),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL": "C", "SCRIPT": _SCRIPT},
            start_new_session=True,
        )
        try:
            self.pid = self._read_pid(name)
        except BaseException:
            self.close()
            raise

    def _read_pid(self, name: str) -> int:
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
            message = f"cannot create the namespaces of host {name}: {stderr.read().strip()}"
            hint = "run as root, or as an ordinary user: python -m anycast_routed.lab COMMAND"
            raise LabUnavailableError(message, hint=hint)

    def path(self, path: str) -> Path:
        """Return the path outside of the host for an absolute path in the host.

        This method resolves symbolic links itself: the kernel would resolve an absolute link, such
        as /var/run, to a path of the machine.
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
                todo += [part for part in target.parts[::-1] if part != "/"]
                continue
            found /= part
        return found

    def writable(self, path: str) -> Path:
        """Return the same as `path`; a link to a file of the machine is removed first."""
        directory, _, name = path.rpartition("/")
        link = self.path(directory) / name
        if link.is_symlink() and str(link.readlink()).startswith("/run/.lab/etc/"):
            link.unlink()
        return self.path(path)

    def close(self) -> None:
        """End every process of the host. The kernel then removes the namespaces and the files."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:  # pragma: no cover - a hung mount; --kill-child ends it
            self._process.kill()
            self._process.wait(5)
