"""The network, mount, PID and UTS namespaces of one host, and the process that keeps them open."""

from __future__ import annotations

import contextlib
import selectors
import subprocess  # nosec B404  # noqa: TID251 - the process lives as long as its host; commands.run waits
from pathlib import Path, PurePosixPath

from anycast_routed.lab import host_scripts, machine_python, releases
from anycast_routed.lab.failures import LabUnavailableError
from anycast_routed.lab.programs import find

_READY_WITHIN = 30.0  # seconds
_MOST_LINKS = 40  # the kernel follows as many: path_resolution(7)


class HostNamespaces:
    """A network, mount, PID and UTS namespace that exist until `close`.

    `pid` is the PID of the namespace's init process as seen from outside. With a release, the host
    has the files of that Debian instead of the machine's.

    Raises:
        LabUnavailableError: the kernel does not allow the namespaces.
        LabError: the release is unknown, or its files cannot be had.
    """

    def __init__(self, name: str, release: str | None = None) -> None:
        files = [releases.layers(release), *machine_python.shared()] if release else []
        script = host_scripts.RELEASE if release else host_scripts.MACHINE
        self._process = subprocess.Popen(  # nosec B603
            [
                find("unshare"),
                *("--net", "--mount", "--pid", "--uts", "--propagation", "private"),
                *("--fork", "--kill-child", "--"),
                # The script is in the environment, so that ps shows one short line.
                *("/bin/sh", "-c", 'eval "$SCRIPT"', "lab-host", name, *files),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL": "C", "SCRIPT": script},
            start_new_session=True,
        )
        try:
            self.pid = self._read_pid(name)
            if release:
                machine_python.install(Path(f"/proc/{self.pid}/root"))
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
