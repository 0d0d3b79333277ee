"""This host as last seen, and what the config in force reads of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.relevant_host import RelevantHost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.config import Config, Dns
    from anycast_routed.model import Host


class SeenHost:
    """The whole host, and the part that counts."""

    def __init__(self, host: Host, config: Config, asked: Iterable[Dns]) -> None:
        """Start with a host; `config` and `asked` are as `adopt` takes them."""
        self.whole = host
        self.adopt(config, asked)

    def adopt(self, config: Config, asked: Iterable[Dns]) -> None:
        """Read of the host what another config needs, and the checks that are asked."""
        self._relevant = RelevantHost(config, asked)
        self.relevant = self._relevant.of(self.whole)
        """The interfaces and addresses that the config in force reads."""

    def see(self, host: Host) -> bool:
        """Replace the host; tell whether what the config reads differs from before."""
        before, self.whole = self.relevant, host
        self.relevant = self._relevant.of(host)
        return self.relevant != before
