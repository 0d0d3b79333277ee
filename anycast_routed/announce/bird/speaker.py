"""BIRD as a speaker. tests/announce/bird/test_bird_behaviour.py pins what it relies on."""

from __future__ import annotations

import contextlib
import re
from functools import partial
from typing import TYPE_CHECKING

from anycast_routed.announce import owner
from anycast_routed.announce.bird import (
    causes,
    configure,
    kernels,
    layout,
    notes,
    origins,
    ownership,
    parser,
    protocols,
    readback,
    refusals,
    releases,
    states,
    withdraw,
)
from anycast_routed.announce.bird.owned import Owned
from anycast_routed.announce.bird.socket import ControlSocket
from anycast_routed.announce.listening import listens
from anycast_routed.decide.proof import heard
from anycast_routed.errors import AnycastRoutedError, RejectedError
from anycast_routed.model import UNKNOWN_VERSION
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from anycast_routed.model import BlackholeNeed, Finding, Origin, Plan, Prefix, Readback

_WITHIN = 5.0  # seconds for one command; 10,000 routes take BIRD 2.0.12 about 0.02 s


class BirdSpeaker:
    """BIRD on this host, over its control socket. BIRD includes `file`."""

    name = "bird"
    layout = layout.BirdLayout()

    def __init__(
        self,
        control_socket: Path,
        file: Path,
        config_file: Path | None = None,
        run_dir: Path | None = None,
    ) -> None:
        self.run_dir = run_dir or file.parent
        self.socket = control_socket
        self._config_file = config_file
        self.file = file
        self._version = UNKNOWN_VERSION
        self._has_others = True
        """Whether a session of the operator was up at the latest read-back."""
        self._lost: frozenset[Prefix] = frozenset()
        """The prefixes that BIRD holds and sends to no session, at the latest read-back."""

    def incarnation(self) -> str:
        """Return an empty string: BIRD starts with our file."""
        return ""

    def owner(self) -> str:
        """Ask for the constant that names the owner; during a reload it may be unknown."""
        with self._connect(restricted=True) as bird:
            return readback.constant(bird, "anycast_routed_owner")

    def variables(self, plan: Plan, current: str | None = None) -> Mapping[str, object]:
        """Return the variables of bird.conf.j2."""
        return layout.variables(plan, current, self._lost, owner=owner.mark(self.run_dir))

    def read(self) -> Readback:
        """Read sessions, our routes and our exports. The connection can change nothing."""
        with self._connect(restricted=True) as bird:
            found = readback.readback(bird, self._owned(bird))
        self._version = found.version
        self._has_others = any(one.established and not one.ours for one in found.sessions)
        if any(session.established for session in found.sessions):
            originated = frozenset(route.prefix for route in found.originated)
            self._lost = originated - heard(found)
        return found

    def origins(self, prefixes: Collection[Prefix]) -> tuple[Origin, ...]:
        """Ask by exact prefix what each session of the operator is sent, and from where.

        None was up at the latest read-back: then nothing is asked.
        """
        if not self._has_others:
            return ()
        with self._connect(restricted=True) as bird, readback.odd_answers_named():
            return origins.origins(bird, prefixes, self._owned(bird))

    def cause(self, session: str, prefix: Prefix) -> tuple[str, str]:
        """Look at the session's channel, at the best route of its table, and at its filter."""
        if not session:
            return "", ""
        with self._connect(restricted=True) as bird, readback.odd_answers_named():
            return causes.cause(bird, session, prefix, self._owned(bird))

    def blackholes(
        self, plan: Plan, prefixes: Collection[Prefix]
    ) -> Mapping[Prefix, BlackholeNeed]:
        """Ask what the operator's kernel protocols export; they never see tables of our own."""
        if plan.sessions:
            return {}
        with self._connect(restricted=True) as bird, readback.odd_answers_named():
            return kernels.blackholes(bird, prefixes, self._owned(bird))

    def is_loaded(self, text: str) -> bool:
        """Compare the fingerprint in the text with the one in BIRD's running config.

        Also compare which of our static protocols are disabled.
        """
        if (mark := layout.mark(text)) is None:
            return False
        with self._connect(restricted=True) as bird:
            return _runs(bird, mark) and not states.differing(bird, text)

    def check(self, text: str) -> None:
        """Let `bird -p` parse the text alone: what crashes it must not crash the live daemon."""
        if layout.mark(text) is None:
            message = "the template does not render `define anycast_routed_loaded`"
            raise RejectedError(message, hint="keep that line as it is in our bird.conf.j2")
        parser.check_text(text, self.file)

    def load(
        self,
        text: str,
        previous: str | None = None,
        enough: Callable[[], bool] = lambda: False,  # noqa: ARG002 - BIRD loads all at once
    ) -> str:
        """Enable and disable static protocols where that is all; otherwise reload the config.

        `disable` and `enable` read no config: neither is loaded what the operator has saved and
        not loaded yet, nor is anything of theirs enabled again. A reload (`configure check`, then
        `configure`) is never one with a timeout: if we died before we confirm it, BIRD would undo
        a withdrawal, and so announce a dead service.
        """
        mark = layout.mark(text)
        is_same = protocols.structure(previous or "") == protocols.structure(text)
        with self._connect() as bird:
            if is_same and mark is not None and _runs(bird, mark):
                states.bring(bird, text)
                return ""
            if seconds := configure.trial(bird):
                raise refusals.on_trial(seconds)
            reply = bird.ask("configure check")
            if not reply.failed:
                # What BIRD runs is the text before: a new one says less of what is ours there.
                ran = ownership.owned(bird, previous) if previous else self._owned(bird)
                reply = configure.load(bird, ran, within=_WITHIN)
            if reply.failed:
                raise refusals.rejected(reply, self.file, text)
        # This new connection also wakes a BIRD that holds its first routes back (see `releases`).
        if text and not self.is_loaded(text):
            message = f"BIRD's own config does not include {self.file}"
            hint = "see: anycast-routed setup"
            raise RejectedError(message, hint=hint, text_at_fault=False)
        return ""

    def starts_with(self, text: str) -> bool:
        """If nothing listens on the control socket, let `bird -p` parse the text alone.

        A refusal counts if it names a line of the text: that the parser could not run, or was
        killed, is no fault of the text.
        """
        if listens(self.socket):
            return True
        try:
            parser.check_text(text, self.file)
        except RejectedError as error:
            return not re.search(rf"{re.escape(str(self.file))}:\d", error.message)
        except AnycastRoutedError:
            pass
        return True

    def withdraw(self, prefixes: frozenset[Prefix] | None = None, *, loaded: str = "") -> None:
        """Disable the static protocols of these prefixes, if BIRD runs `loaded`.

        From a protocol that has others too, only a reload of the shortened file removes them. It
        is done on the same connection and unchecked: our text with fewer lines is well-formed.

        If BIRD does not run `loaded`, a reload could announce more than it withdraws: then every
        static protocol is disabled that holds any of the prefixes.
        """
        mark = layout.mark(loaded)
        with self._connect() as bird:
            if prefixes is None or not mark or not _runs(bird, mark):
                owned = ownership.owned(bird, loaded) if mark else self._owned(bird)
                withdraw.disable(bird, prefixes, owned)
                return
            owned = Owned.by(loaded)
            whole, rest = protocols.split(loaded, prefixes)
            states.disable(bird, whole)
            if configure.is_running(bird):
                # An operator's reload has read the file as it was, and would enable them again.
                configure.await_end(bird, within=configure.ENDS_WITHIN)
                states.disable(bird, whole)
            if rest and withdraw.holders(bird, rest, owned):
                withdraw.reload(bird, rest, owned)

    def undo_in(self) -> float | None:
        """Return when BIRD undoes a `configure timeout`: it then runs what it ran before that."""
        with self._connect(restricted=True) as bird:
            seconds = configure.trial(bird)
        return float(seconds) if seconds else None

    def notes(self) -> tuple[Finding, ...]:
        """Report what concerns the include line, our file at boot, and this release."""
        found = [*releases.findings(self._version), *notes.of_boot(self.file)]
        if self._config_file is not None:
            connect = partial(self._connect, restricted=True)
            found += notes.of_include_line(self._config_file, self.file, connect)
        return tuple(found)

    def _owned(self, bird: ControlSocket) -> Owned:
        """Return which protocols are ours; a file that cannot be read counts as lost."""
        text = None
        with contextlib.suppress(AnycastRoutedError):
            text = files.read(self.file)
        return ownership.owned(bird, text)

    def _connect(self, *, restricted: bool = False) -> ControlSocket:
        return ControlSocket(self.socket, within=_WITHIN, restricted=restricted)


def _runs(bird: ControlSocket, mark: str) -> bool:
    return readback.constant(bird, "anycast_routed_loaded") == mark
