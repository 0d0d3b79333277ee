"""BIRD in a host."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from anycast_routed.lab.programs import find
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

CONF = "/etc/bird/bird.conf"
CONTROL = "/run/bird/bird.ctl"

# What Debian's bird.conf says without its comments, but for the log: ours is captured.
STOCK = """\
log stderr all;
protocol device {
}
protocol direct {
  disabled;
  ipv4;
  ipv6;
}
protocol kernel {
  ipv4 { export all; };
}
protocol kernel {
  ipv6 { export all; };
}
protocol static {
  ipv4;
}
"""


class Bird:
    """A running BIRD: `daemon` is its process, /run/bird/bird.ctl its control socket."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.daemon = self._start()

    def _start(self) -> Daemon:
        # A killed BIRD leaves its socket behind, which would look like a live one.
        self.host.path(CONTROL).unlink(missing_ok=True)
        daemon = self.host.start(find("bird"), "-f", configs=(CONF,))
        eventually(
            lambda: not daemon.alive or self._greets(),
            within=5.0,
            every=0.002,
            why=f"{daemon.name} answers on {CONTROL}",
        )
        daemon.check()
        return daemon

    def _greets(self) -> bool:
        # BIRD opens its socket before it reads its config, and greets when it has loaded it.
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            client.connect(str(self.host.path(CONTROL)))
            return client.recv(4) == b"0001"

    def birdc(self, *command: str, within: float = 10.0) -> str:
        """Run a birdc command and return its answer without the greeting.

        birdc exits with 1 when BIRD answers with an error, which is a LabError here.
        """
        done = self.host.run(find("birdc"), *" ".join(command).split(), within=within)
        return done.out.split("\n", 1)[-1]

    def configure(self, conf: str | None = None) -> str:
        """Reload, with `conf` as the new bird.conf when given; return BIRD's answer."""
        if conf is not None:
            self.host.write(CONF, conf)
        return self.birdc("configure")

    def restart(self) -> None:
        """Kill BIRD, and start it again with the bird.conf of now."""
        self.daemon.kill()
        self.daemon = self._start()


def start(host: Host, conf: str = STOCK) -> Bird:
    """Start BIRD with `conf` as its /etc/bird/bird.conf, and return when its socket is open.

    A session comes up fast with `connect delay time 1; connect retry time 1;` in its protocol.

    Raises:
        LabError: BIRD ended, as it does when it refuses `conf`.
        LabUnavailableError: BIRD is not installed.
    """
    host.write(CONF, conf)
    return Bird(host)
