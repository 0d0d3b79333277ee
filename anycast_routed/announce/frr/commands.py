"""The commands by which bgpd is read back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from anycast_routed.announce.frr import answers, exact, releases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.announce.frr.running_config import Running
    from anycast_routed.model import Prefix


class Questions(NamedTuple):
    """The commands of a read-back, beyond the running config and the summary."""

    tables: tuple[str, ...]
    """Lists our routes."""
    addresses: dict[str, str]
    """Shows the address of a neighbor known by its interface; by its name."""
    exports: dict[tuple[str, str], str]
    """Lists what a neighbor gets; by its name and the address family."""
    exact: dict[Prefix, str]
    """Shows every path to one of our networks, in a family that is too large to list."""

    @property
    def all(self) -> tuple[str, ...]:
        """All commands, in the order in which they are sent."""
        return (
            *self.tables,
            *self.addresses.values(),
            *self.exports.values(),
            *self.exact.values(),
        )


def questions(running: Running, summary: Mapping[str, Any]) -> Questions:
    """Return what to ask about the neighbors that are up, each with its address families."""
    release = releases.release(running.version)
    peers = answers.established(summary)
    large = exact.families(running, summary, peers)
    return Questions(
        tables=answers.table_questions(running, release, large),
        addresses={
            name: answers.address_question(name)
            for name in peers
            if answers.address_of(name) is None
        },
        exports={
            (name, family): answers.export_question(name, family, release)
            for name, families in peers.items()
            for family in families
            if family not in large
        },
        exact=exact.questions(running, large),
    )
