"""FRR as a speaker. What it really does is pinned in tests/announce/test_frr_behaviour.py.

FRR has one config, and it is the operator's. Ours are the objects named in `frr_lines`; every
other line stays as it is, byte for byte. Nothing is ever saved (`write memory`).
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.announce.frr import changes, config_lines, layout, running_config
from anycast_routed.announce.frr.config_lines import Line
from anycast_routed.announce.frr.readback import Reader
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.announce.frr.vtysh import Vtysh
from anycast_routed.announce.masking import quoted_safely
from anycast_routed.errors import (
    AnycastRoutedError,
    ConfigError,
    NotConfirmedError,
    RejectedError,
    RouterUnavailableError,
)
from anycast_routed.finding import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from anycast_routed.announce.frr.changes import Changes
    from anycast_routed.model import Plan, Prefix, Readback


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
        self._reader = Reader(self._vtysh)
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
            return config_lines.count_networks(self._frr_conf.read_text("utf-8", "replace"))
        except FileNotFoundError:
            return 0
        except OSError:
            return None

    def notes(self) -> tuple[Finding, ...]:
        """Say when frr.conf would announce something at FRR's next start, and who logs passwords.

        Raises:
            RouterUnavailableError, AccessDeniedError: nobody tells.
        """
        notes = []
        if saved := self.saved_lines():
            saved_by = f"{self._frr_conf} holds {saved} of our networks, saved by `write memory`"
            detail = f"{saved_by}: FRR announces them at its start, until our first run"
            notes.append(Finding(Code.SAVED_NETWORKS, "", detail))
        if self._reader.latest().logs_passwords:
            detail = "FRR logs each command (`log commands`), and so each password that it is given"
            fix = "run: vtysh -c 'configure terminal' -c 'no log commands'"
            notes.append(Finding(Code.PASSWORDS_LOGGED, "", detail, fix))
        return tuple(notes)

    def variables(self, plan: Plan) -> Mapping[str, object]:
        """Lay the plan out for frr.conf.j2, for the AS of the plan or else of the operator.

        Raises:
            ConfigError: neither of them has one.
        """
        if plan.sessions or not plan.announcements:
            return layout.variables(plan, plan.sessions.local_as if plan.sessions else None)
        local_as = self._reader.latest().local_as
        if local_as is None:
            hint = "add `router bgp AS` with your neighbors to FRR, or `bgp` to our config"
            message = "FRR has no BGP instance to announce from"
            raise ConfigError(message, hint=hint)
        return layout.variables(plan, local_as)

    def read(self) -> Readback:
        """Ask bgpd for its sessions, our networks and what each neighbor gets of them."""
        return self._reader.readback()

    def is_loaded(self, text: str) -> bool:
        """Compare our lines in bgpd's config, one by one; their order is FRR's own.

        staticd is not asked: a static that is missing shows in what bgpd holds, and one that
        is left over announces nothing, and goes with the next load.
        """
        todo = changes.changes(running_config.running(text), self._reader.latest_once())
        return not (todo.withdrawals or todo.additions or todo.unused_maps)

    def check(self, text: str) -> None:
        """Have vtysh parse it, without a daemon.

        Raises:
            RejectedError: with the line.
        """
        config_lines.refuse_unsafe(text)
        self._vtysh.parse(text)
        running_config.refuse_foreign(Running(text))

    def load(self, text: str) -> None:
        """Give FRR the difference, withdrawals first. The text has been through `check`.

        Raises:
            RejectedError: refused; what this call had changed is put back, except for the
                withdrawals, which always stay.
            ConfigError: the operator has a line that we would overwrite, or runs another AS.
        """
        self._reader.forget()
        wanted, running = Running(text), self._reader.bgpd()
        self._take_off(changes.withdrawals(running, wanted.networks))
        before = Running(running.text + self._reader.statics())
        running_config.refuse_conflicts(wanted, before)
        todo = changes.changes(wanted, before)
        if refused := self._add(todo):
            with contextlib.suppress(AnycastRoutedError):
                back = changes.way_back(before, self._reader.both(), wanted)
                self._take_off(back.withdrawals)
                self._add(back)
                self._tidy(back)
            message = f"FRR refused: {refused}"
            raise RejectedError(message, hint="what was changed is put back")
        self._tidy(todo)

    def starts_with(self, text: str) -> bool:  # noqa: ARG002 - FRR never reads our file
        """Say so of any: FRR starts with its own saved config."""
        return True

    def held(self, text: str) -> frozenset[Prefix]:
        """Read the networks."""
        return frozenset(running_config.running(text).networks)

    def without(self, text: str, prefixes: Collection[Prefix] | None = None) -> str:
        """Cut the networks and statics out; the empty text where something would be left."""
        return config_lines.without(text, prefixes)

    def shorten(self, text: str, gone: frozenset[Prefix]) -> None:
        """Take the networks off in one call, in the contexts that the text has them in.

        What that says is not read back. Where FRR complains, or the text does not have them all,
        the running config is asked instead.
        """
        self._reader.forget()
        known = running_config.running(text)
        lines = changes.withdrawals(known, known.networks.keys() - gone)
        if not gone <= known.networks.keys() or self._tell("bgpd", lines):
            self.withdraw(gone)
            return
        self._drop(known.statics, gone)

    def withdraw(self, prefixes: Collection[Prefix] | None = None) -> None:
        """Take the networks off, then the statics below them; the rest of ours stays.

        Raises:
            NotConfirmedError: bgpd still has them in its config.
        """
        self._reader.forget()
        running = self._reader.bgpd()
        gone = running.networks.keys() if prefixes is None else frozenset(prefixes)
        keep = running.networks.keys() - gone
        self._take_off(changes.withdrawals(running, keep))
        if left := self._reader.bgpd().networks.keys() & gone:
            message = f"FRR still has {', '.join(map(str, left))}"
            raise NotConfirmedError(message, hint="look at: vtysh -c 'show running-config'")
        statics = Running(self._reader.statics()).statics
        self._drop(statics, statics if prefixes is None else gone)

    def _take_off(self, lines: Sequence[Line]) -> None:
        if self._tell("bgpd", lines):
            # One that is gone already has stopped the others: the second way does not stop.
            self._vtysh.tell_all("bgpd", config_lines.script(lines))

    def _drop(self, statics: Mapping[Prefix, Line], gone: Collection[Prefix]) -> None:
        lines = [Line((), f"no {line.text}") for one, line in statics.items() if one in gone]
        with contextlib.suppress(RouterUnavailableError):  # no staticd, no statics
            self._tell("staticd", lines)

    def _add(self, todo: Changes) -> str:
        return self._tell("staticd", todo.statics) or self._tell("bgpd", todo.additions)

    def _tidy(self, todo: Changes) -> None:
        """Take off what nothing uses. zebra keeps a copy of maps that frr.conf once held."""
        self._tell("bgpd", todo.unused_maps)
        with contextlib.suppress(AnycastRoutedError):
            self._tell("zebra", todo.unused_maps)
        self._tell("staticd", todo.unused_statics)

    def _tell(self, daemon: str, lines: Sequence[Line]) -> str:
        """Give these lines; a password not as an argument, which everyone can read.

        All lines of its neighbor go with it, and last: so no session of ours comes up without
        its password, whatever fails between. It begins some 3 s later for that, since bgpd holds
        back what is about to start while it is given a file; so nothing else goes in so.
        """
        names = {config_lines.neighbor(line) for line in lines if config_lines.has_password(line)}
        guarded = [line for line in lines if config_lines.neighbor(line) in names]
        others = [line for line in lines if config_lines.neighbor(line) not in names]
        said = self._vtysh.tell(daemon, config_lines.script(others)) if others else ""
        if guarded and not said:
            said = self._vtysh.tell_all(daemon, config_lines.script(guarded))
        return quoted_safely(said, "".join(f"{line.text}\n" for line in guarded))
