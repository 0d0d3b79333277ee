"""Start BIRD in a host of the lab and talk to it with birdc."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from anycast_routed.lab.programs import find

if TYPE_CHECKING:
    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

CONF = "/etc/bird/bird.conf"
CONTROL = "/run/bird/bird.ctl"

# Debian's bird.conf without its comments. The log goes to stderr, which the lab captures.
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
        # A killed BIRD leaves its socket, which would look like the socket of a running BIRD.
        self.host.path(CONTROL).unlink(missing_ok=True)
        daemon = self.host.start(find("bird"), "-f", configs=(CONF,))
        daemon.wait_ready(self._is_ready, within=30.0, every=0.002, why=f"answers on {CONTROL}")
        return daemon

    def _is_ready(self) -> bool:
        # BIRD opens its socket before it reads its config, and sends its greeting (code 0001)
        # after it has loaded the config.
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            client.connect(str(self.host.path(CONTROL)))
            return client.recv(4) == b"0001"

    def birdc(self, *command: str, within: float = 10.0) -> str:
        """Run a birdc command and return the answer without the greeting line.

        Raises:
            LabError: BIRD answered with an error, so birdc exited with 1.
        """
        done = self.host.run(find("birdc"), *" ".join(command).split(), within=within)
        return done.out.split("\n", 1)[-1]

    def configure(self, conf: str | None = None) -> str:
        """Write `conf` to bird.conf if given, make BIRD reload, and return its answer."""
        if conf is not None:
            self.host.write(CONF, conf)
        return self.birdc("configure")

    def restart(self) -> None:
        """Kill BIRD and start it again with the current bird.conf."""
        self.daemon.kill()
        self.daemon = self._start()


def start(host: Host, conf: str = STOCK) -> Bird:
    """Start BIRD with `conf` as its /etc/bird/bird.conf; return when BIRD has loaded it.

    `connect delay time 1; connect retry time 1;` in a protocol makes its session come up fast.

    Raises:
        LabError: BIRD ended, for example because it refused `conf`.
        LabUnavailableError: BIRD is not installed.
    """
    host.write(CONF, conf)
    return Bird(host)
