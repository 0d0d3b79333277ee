"""FRR as a speaker. What it really does is pinned in tests/announce/test_frr_behaviour.py.

FRR has one config, and it is the operator's. Ours are the objects named in `frr_lines`; every
other line stays as it is, byte for byte. Nothing is ever saved (`write memory`).
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anycast_routed.announce import frr_changes, frr_layout, frr_lines, frr_reading, frr_running
from anycast_routed.announce.frr_lines import Line
from anycast_routed.announce.frr_running import Running
from anycast_routed.announce.frr_vtysh import Vtysh, documents
from anycast_routed.errors import (
    AnycastRoutedError,
    ConfigError,
    NotConfirmedError,
    RejectedError,
    RouterUnavailableError,
)
from anycast_routed.model import Readback

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from anycast_routed.announce.frr_changes import Changes
    from anycast_routed.model import Address, Plan, Prefix

_SHOW = "show running-config"
_SHOWN = "\nend\n"  # ends what that prints


class FrrSpeaker:
    """FRR on this host, by vtysh. `file` is our record of what was loaded; FRR never reads it."""

    name = "frr"

    def __init__(
        self,
        vty_dir: Path,
        vtysh: str,
        file: Path,
        frr_conf: Path = Path("/etc/frr/frr.conf"),
    ) -> None:
        self.file = file
        self.socket = vty_dir / "bgpd.vty"
        self._vtysh = Vtysh(vty_dir, vtysh)
        self._frr_conf = frr_conf

    def incarnation(self) -> str:
        """Name this life of bgpd by its socket, which it makes at its start.

        Raises:
            RouterUnavailableError: bgpd has no socket.
        """
        made = self._vtysh.socket("bgpd")
        return f"{made.st_ino}-{made.st_mtime_ns}"

    def saved_lines(self) -> int | None:
        """Count our networks in frr.conf; None where this user may not read it."""
        try:
            return frr_lines.count_networks(self._frr_conf.read_text("utf-8", "replace"))
        except FileNotFoundError:
            return 0
        except OSError:
            return None

    def notes(self) -> tuple[str, ...]:
        """Say when frr.conf would announce something at FRR's next start."""
        if not (saved := self.saved_lines()):
            return ()
        note = f"{self._frr_conf} holds {saved} of our networks, saved by `write memory`"
        return (f"{note}: FRR announces them at its start, until our first run",)

    def variables(self, plan: Plan) -> Mapping[str, object]:
        """Lay the plan out for frr.conf.j2, for the AS of the plan or else of the operator.

        Raises:
            ConfigError: neither of them has one.
        """
        if plan.sessions or not plan.announcements:
            return frr_layout.variables(plan, plan.sessions.local_as if plan.sessions else None)
        local_as = self._bgpd().local_as
        if local_as is None:
            hint = "add `router bgp AS` with your neighbors to FRR, or `bgp` to our config"
            message = "FRR has no BGP instance to announce from"
            raise ConfigError(message, hint=hint)
        return frr_layout.variables(plan, local_as)

    def read(self) -> Readback:
        """Ask bgpd for its sessions, our networks and what each neighbor gets of them."""
        running, (summary,) = self._ask_bgpd("show bgp summary json")
        summary = summary or {}
        peers = {
            name: families
            for name, (facts, families) in frr_reading.peers(summary).items()
            if facts.get("state") == "Established"
        }
        unnumbered = [name for name in peers if frr_reading.address_of(name) is None]
        exports = [
            (name, one) for name in peers for one in frr_reading.exports_of(name, peers[name])
        ]
        questions = [
            *(frr_reading.ROUTES if running.networks else ()),
            *(f"show bgp neighbors {name} json" for name in unnumbered),
            *(command for _, command in exports),
        ]
        answers = documents(self._vtysh.ask("bgpd", questions)) if questions else []
        tables = [answers.pop(0) for _ in (frr_reading.ROUTES if running.networks else ())]
        addresses = _addresses(unnumbered, [answers.pop(0) for _ in unnumbered])
        told: dict[str, list[Any]] = {name: [] for name in peers}
        for (name, _), answer in zip(exports, answers, strict=True):
            told[name].append(answer)
        sessions = frr_reading.sessions(running, summary, addresses)
        return Readback(
            router=f"FRR {running.version}",
            sessions=sessions,
            originated=tuple(frr_reading.originated(tables, running)),
            exported={
                session.address: frr_reading.exported(
                    told[session.name], None if session.ours else running.networks
                )
                for session in sessions
                if session.established
            },
        )

    def is_loaded(self, text: str) -> bool:
        """Compare our lines in the running config, line by line; the order is FRR's own."""
        return not frr_changes.changes(Running(text), self._both())

    def check(self, text: str) -> None:
        """Have vtysh parse it, without a daemon.

        Raises:
            RejectedError: with the line.
        """
        frr_lines.refuse_unsafe(text)
        self._vtysh.parse(text)
        frr_running.refuse_foreign(Running(text))

    def load(self, text: str) -> None:
        """Give FRR the difference, withdrawals first. The text has been through `check`.

        Raises:
            RejectedError: refused; what this call had changed is put back, except for the
                withdrawals, which always stay.
            ConfigError: the operator has a line that we would overwrite, or runs another AS.
        """
        wanted, running = Running(text), self._vtysh.ask("bgpd", [_SHOW])
        self._take_off(frr_changes.withdrawals(Running(running), wanted.networks))
        before = Running(running + self._statics())
        frr_running.refuse_conflicts(wanted, before)
        todo = frr_changes.changes(wanted, before)
        if refused := self._add(todo):
            with contextlib.suppress(AnycastRoutedError):
                back = frr_changes.way_back(before, self._both(), wanted)
                self._take_off(back.withdrawals)
                self._add(back)
                self._tidy(back)
            message = f"FRR refused: {refused}"
            raise RejectedError(message, hint="what was changed is put back")
        self._tidy(todo)

    def held(self, text: str) -> frozenset[Prefix]:
        """Read the networks."""
        return frozenset(Running(text).networks)

    def without(self, text: str, prefixes: Collection[Prefix] | None = None) -> str:
        """Cut the networks and statics out; the empty text where something would be left."""
        return frr_lines.without(text, prefixes)

    def shorten(self, text: str, gone: frozenset[Prefix]) -> None:
        """Take the networks off in one call, in the contexts that the text has them in.

        What that says is not read back. Where FRR complains, or the text does not have them all,
        the running config is asked instead.
        """
        known = Running(text)
        lines = [
            Line(known.networks[one].context, f"no network {one}")
            for one in gone & known.networks.keys()
        ]
        if len(lines) < len(gone) or self._tell("bgpd", lines):
            self.withdraw(gone)
            return
        statics = [Line((), f"no {known.statics[one].text}") for one in gone & known.statics.keys()]
        with contextlib.suppress(RouterUnavailableError):  # no staticd, no statics
            self._tell("staticd", statics)

    def withdraw(self, prefixes: Collection[Prefix] | None = None) -> None:
        """Take the networks off, then the statics below them; the rest of ours stays.

        Raises:
            NotConfirmedError: bgpd still has them in its config.
        """
        running = self._bgpd()
        gone = running.networks.keys() if prefixes is None else frozenset(prefixes)
        keep = running.networks.keys() - gone
        self._take_off(frr_changes.withdrawals(running, keep))
        if left := self._bgpd().networks.keys() & gone:
            message = f"FRR still has {', '.join(map(str, left))}"
            raise NotConfirmedError(message, hint="look at: vtysh -c 'show running-config'")
        with contextlib.suppress(RouterUnavailableError):  # no staticd, no statics
            statics = Running(self._vtysh.ask("staticd", [_SHOW])).statics
            lines = [
                Line((), f"no {line.text}")
                for prefix, line in statics.items()
                if prefixes is None or prefix in gone
            ]
            self._tell("staticd", lines)

    def _take_off(self, lines: Sequence[Line]) -> None:
        if self._tell("bgpd", lines):
            # One that is gone already has stopped the others: the second way does not stop.
            self._vtysh.tell_all("bgpd", frr_lines.script(lines))

    def _add(self, todo: Changes) -> str:
        return self._tell("staticd", todo.statics) or self._tell("bgpd", todo.additions)

    def _tidy(self, todo: Changes) -> None:
        """Take off what nothing uses. zebra keeps a copy of maps that frr.conf once held."""
        self._tell("bgpd", todo.unused_maps)
        with contextlib.suppress(AnycastRoutedError):
            self._tell("zebra", todo.unused_maps)
        self._tell("staticd", todo.unused_statics)

    def _tell(self, daemon: str, lines: Sequence[Line]) -> str:
        return self._vtysh.tell(daemon, frr_lines.script(lines)) if lines else ""

    def _bgpd(self) -> Running:
        return Running(self._vtysh.ask("bgpd", [_SHOW]))

    def _both(self) -> Running:
        """Read bgpd's and staticd's config, side by side. Without staticd there are no statics."""
        with ThreadPoolExecutor(1) as beside:
            statics = beside.submit(self._statics)
            return Running(self._vtysh.ask("bgpd", [_SHOW]) + statics.result())

    def _statics(self) -> str:
        with contextlib.suppress(RouterUnavailableError):
            return self._vtysh.ask("staticd", [_SHOW])
        return ""

    def _ask_bgpd(self, *questions: str) -> tuple[Running, list[Any]]:
        running, _, answers = self._vtysh.ask("bgpd", [_SHOW, *questions]).partition(_SHOWN)
        return Running(running), documents(answers)


def _addresses(names: Sequence[str], answers: Sequence[Any]) -> dict[str, Address]:
    found = {
        name: frr_reading.address_of(((answer or {}).get(name) or {}).get("bgpNeighborAddr"))
        for name, answer in zip(names, answers, strict=True)
    }
    return {name: address for name, address in found.items() if address is not None}
