"""FRR as a speaker. tests/announce/frr/test_frr_behaviour.py pins what it relies on.

FRR has one config, the operator's. Only what `config_lines` names is ours; nothing is ever saved.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.announce import owner
from anycast_routed.announce.frr import (
    changes,
    config_lines,
    conflicts,
    imports,
    layout,
    notes,
    releases,
    running_config,
)
from anycast_routed.announce.frr.known_neighbors import KnownNeighbors
from anycast_routed.announce.frr.readback import Reader
from anycast_routed.announce.frr.running_config import Rendered, Running
from anycast_routed.announce.frr.sender import Sender
from anycast_routed.announce.frr.statics import Statics
from anycast_routed.announce.frr.vtysh import Vtysh
from anycast_routed.errors import AnycastRoutedError, NotConfirmedError, RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from anycast_routed.announce.frr.changes import Changes
    from anycast_routed.model import BlackholeNeed, Finding, Origin, Plan, Prefix, Readback


class FrrSpeaker:
    """FRR on this host, through vtysh. `file`, in the run directory, is our record."""

    name = "frr"
    layout = layout.FrrLayout()

    def __init__(
        self,
        vty_dir: Path,
        vtysh: str,
        file: Path,
        frr_conf: Path = Path("/etc/frr/frr.conf"),
        *,
        shares: bool = True,
    ) -> None:
        """`shares`: neighbors of the operator may get the prefixes too."""
        self._shares = shares
        self.file = file
        self.run_dir = file.parent
        self.socket = vty_dir / "bgpd.vty"
        self._vtysh = Vtysh(vty_dir, vtysh)
        self._known = KnownNeighbors(file)
        self._reader = Reader(self._vtysh, self._known)
        self._sender = Sender(self._vtysh)
        self._statics = Statics(self._vtysh, self._reader)
        self._frr_conf = frr_conf
        self._left_out = ""  # what the latest text lacks because of the operator's lines

    def incarnation(self) -> str:
        """Return an identifier of bgpd's socket, which bgpd creates at its start.

        Raises:
            RouterUnavailableError: bgpd has no socket.
        """
        made = self._vtysh.socket("bgpd")
        return f"{made.st_ino}-{made.st_mtime_ns}"

    def owner(self) -> str:
        """Return the description of the route-map that names the owner."""
        return self._reader.latest().owner

    def undo_in(self) -> float | None:
        """Return None: FRR undoes nothing by itself."""
        return None

    def notes(self) -> tuple[Finding, ...]:
        """Report what is saved in frr.conf, what FRR logs, and who else gets the prefixes.

        Raises:
            RouterUnavailableError, AccessDeniedError: bgpd cannot be asked.
        """
        latest = self._reader.latest()
        return (
            *notes.of_saved_lines(self._frr_conf),
            *releases.findings(latest.version),
            *notes.of_running_config(latest, self._reader.latest_readback, shares=self._shares),
            *notes.of_vrfs(latest),
            *notes.of_left_out(self._left_out),
        )

    def variables(self, plan: Plan, current: str | None = None) -> Mapping[str, object]:  # noqa: ARG002 - FRR has no protocols to keep
        """Return the variables of frr.conf.j2, with the AS of the plan or else of the operator.

        What is a network of the operator too is left out: `load` returns its line.

        Raises:
            ConfigError: neither of them has an AS in the default VRF.
        """
        mark, self._left_out = owner.mark(self.run_dir), ""
        local_as = plan.sessions.local_as if plan.sessions else None
        if not plan.announcements:
            return layout.variables(plan, local_as, owner=mark)
        running = self._reader.latest()
        plan, self._left_out = conflicts.left_out(plan, running)
        local_as = local_as or running.local_as
        if local_as is None:
            raise notes.no_instance(running)
        checked = imports.checks(running, plan)
        return layout.variables(plan, local_as, owner=mark, import_check=checked)

    def read(self) -> Readback:
        """Read bgpd's sessions, our networks, and our routes that each neighbor gets."""
        return self._reader.readback()

    def origins(self, prefixes: Collection[Prefix]) -> tuple[Origin, ...]:
        """Ask bgpd for every path to each prefix."""
        return self._reader.origins(prefixes)

    def cause(self, session: str, prefix: Prefix) -> tuple[str, str]:
        """Look at the neighbor's families and policies, and at the best path."""
        return self._reader.cause(session, prefix)

    def blackholes(
        self, plan: Plan, prefixes: Collection[Prefix]
    ) -> Mapping[Prefix, BlackholeNeed]:
        """Ask zebra which of them have no route, unless bgpd announces networks without one."""
        if not imports.checks(self._reader.latest(), plan):
            return {}
        return imports.unrouted(self._vtysh, prefixes)

    def is_loaded(self, text: str) -> bool:
        """Compare our lines in bgpd's config one by one, in any order.

        staticd is not asked: a missing static shows in what bgpd holds, and a superfluous one
        announces nothing and is removed by the next load.
        """
        todo = changes.changes(running_config.rendered(text), self._reader.latest_once())
        return not (todo.withdrawals or todo.additions or todo.unused_maps)

    def check(self, text: str) -> None:
        """Let vtysh parse the text, without a daemon.

        Raises:
            RejectedError: with the line.
        """
        config_lines.refuse_unsafe(text)
        self._vtysh.parse(text)
        conflicts.refuse_foreign(Rendered(text))
        self._known.keep()

    def load(
        self,
        text: str,
        previous: str | None = None,  # noqa: ARG002 - FRR is asked
        enough: Callable[[], bool] = lambda: False,
    ) -> str:
        """Send FRR the difference, withdrawals first, and many route-maps in portions.

        The text has passed `check`. After each portion, `enough` may leave the rest to the next
        load, which sends only what is missing.

        Return which lines of the operator ours would overwrite, and which static was not taken.

        Raises:
            RejectedError: refused; the changes of this call are undone, except for the withdrawals,
                which always stay.
            ConfigError: the operator has one of our neighbors, or runs another AS.
        """
        self._reader.forget()
        wanted, running = Rendered(text), self._reader.bgpd()
        self._sender.remove_networks(changes.withdrawals(running, wanted.networks))
        before = Running(running.text + self._reader.statics(), running.known)
        conflicts.refuse_conflicts(wanted, before)
        self._known.write(before.our_neighbors | wanted.our_neighbors)
        wanted, taken = conflicts.without_theirs(wanted, before)
        todo = changes.changes(wanted, before)
        for number, portion in enumerate(changes.portions(todo.additions, before.networks)):
            if number and enough():
                return self._left_out
            if refused := self._sender.send("bgpd", portion):
                self._put_back(before, wanted)
                message = f"FRR refused: {refused}"
                raise RejectedError(message, hint="what was changed is put back")
        # Last, because only prefixes whose address is not on this host need them.
        refused = self._statics.add(todo.statics)
        self._tidy(todo)
        self._known.write(wanted.our_neighbors)
        return "; ".join(filter(None, (self._left_out, taken, refused)))

    def _put_back(self, before: Running, wanted: Running) -> None:
        with contextlib.suppress(AnycastRoutedError):
            back = changes.way_back(before, self._reader.both(), wanted)
            self._sender.remove_networks(back.withdrawals)
            self._sender.send("bgpd", back.additions)
            self._tidy(back)

    def starts_with(self, text: str) -> bool:  # noqa: ARG002 - FRR never reads our file
        """Return True: FRR starts with its own saved config."""
        return True

    def withdraw(self, prefixes: frozenset[Prefix] | None = None, *, loaded: str = "") -> None:
        """Remove the networks, then the statics below them; our other lines stay.

        If `loaded` has all the prefixes, its lines say how to remove them, in one call whose
        effect is not read back. If FRR refuses that, or without `loaded`, the running config is
        read before and after.

        Raises:
            NotConfirmedError: bgpd still has them in its config.
        """
        self._reader.forget()
        known = running_config.rendered(loaded)
        if prefixes is not None and prefixes <= known.networks.keys():
            lines = changes.withdrawals(known, known.networks.keys() - prefixes)
            if not self._sender.send("bgpd", lines):
                self._statics.remove(known.statics, prefixes)
                return
        self._withdraw_confirmed(prefixes, known)

    def _withdraw_confirmed(self, prefixes: frozenset[Prefix] | None, known: Running) -> None:
        running = self._reader.bgpd()
        gone = running.networks.keys() if prefixes is None else prefixes
        self._sender.remove_networks(changes.withdrawals(running, running.networks.keys() - gone))
        if left := self._reader.bgpd().networks.keys() & gone:
            message = f"FRR still has {', '.join(map(str, left))}"
            raise NotConfirmedError(message, hint="look at: vtysh -c 'show running-config'")
        statics = {**known.statics, **Running(self._reader.statics()).statics}
        self._statics.remove(statics, statics if prefixes is None else gone)

    def _tidy(self, todo: Changes) -> None:
        """Remove what nothing uses. Other daemons keep copies of maps that frr.conf once held."""
        self._sender.send("bgpd", todo.unused_maps)
        for daemon in self._reader.release().keep_maps:
            with contextlib.suppress(AnycastRoutedError):
                if self._reader.silence(daemon) is None:
                    self._sender.send(daemon, todo.unused_maps)
        self._statics.send(todo.unused_statics)
