"""What a router must be able to do for us; `bird` and `frr` each implement it.

Every call has a hard deadline: a router that is stopped (SIGSTOP) never answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from anycast_routed.model import BlackholeNeed, Finding, Origin, Plan, Prefix, Readback


class Layout(Protocol):
    """Our text in the language of one router. Pure, no I/O."""

    @property
    def reads_file(self) -> bool:
        """Whether the router itself reads our file, at its start and at each reload.

        Then the operator's config must include the file once (`setup`), and what the file holds
        comes back when the router restarts. Otherwise the file is only our record of what was
        loaded.
        """
        ...

    def held(self, text: str) -> frozenset[Prefix]:
        """Return the prefixes that a text announces."""
        ...

    def without(self, text: str, prefixes: Collection[Prefix] | None = None) -> str:
        """Return the text without these prefixes, or without any; the sessions stay.

        A text from which they cannot be removed (from an operator's own template) becomes empty.
        """
        ...

    def owner(self, text: str) -> str:
        """Return the mark of the run directory in a text (see `owner`); empty without one."""
        ...

    def structure(self, text: str) -> str:
        """Return what is the same in texts between which the router changes without a reload."""
        ...

    def without_reload(self, current: str, wanted: str) -> str:
        """Return `current` with what the router can take of `wanted` without a reload."""
        ...


class Speaker(Protocol):
    """One BGP router on this host. Constructing one does no I/O.

    Each method may raise RouterUnavailableError (no answer) or AccessDeniedError.
    """

    @property
    def name(self) -> str:
        """`bird` or `frr`: names the template, and appears in messages."""
        ...

    @property
    def layout(self) -> Layout:
        """Our text in the router's language."""
        ...

    @property
    def file(self) -> Path:
        """Where the rendered text is stored."""
        ...

    @property
    def run_dir(self) -> Path:
        """The run directory of this instance, of which each text has the mark."""
        ...

    @property
    def socket(self) -> Path:
        """The router's Unix socket, which it creates anew at each start."""
        ...

    def incarnation(self) -> str:
        """Return a name for this run of a router that may start with prefixes since withdrawn.

        Empty for a router that starts with our file: the file holds the last verdict or, after a
        boot, does not exist.
        """
        ...

    def owner(self) -> str:
        """Return the mark of the run directory in the router's running config; empty without one.

        The answer may come from the latest `read`, if we have changed nothing since.
        """
        ...

    def variables(self, plan: Plan, current: str | None = None) -> Mapping[str, object]:
        """Return the variables of this router's template; `current` is the text in `file`.

        Raises:
            ConfigError: the router's own config leaves no place for the plan.
        """
        ...

    def read(self) -> Readback:
        """Read which of our routes the router holds and exports, and the state of its sessions."""
        ...

    def origins(self, prefixes: Collection[Prefix]) -> tuple[Origin, ...]:
        """Find the paths to these prefixes, one by one, that do not come from anycast-routed.

        A prefix counts as withdrawn only when this router announces it by no other way either.
        The sessions of our own config are left out: they export nothing but our routes.
        """
        ...

    def cause(self, session: str, prefix: Prefix) -> tuple[str, str]:
        """Find out why a session is not sent a prefix that the router holds, and what to do.

        Without a name of a session: why the router does not hold the prefix, although it is loaded.
        Both texts are empty if the router does not say.
        """
        ...

    def blackholes(
        self, plan: Plan, prefixes: Collection[Prefix]
    ) -> Mapping[Prefix, BlackholeNeed]:
        """Return which of these prefixes it announces only with a blackhole route in the kernel.

        Their addresses are not on this host.
        """
        ...

    def is_loaded(self, text: str) -> bool:
        """Return whether the router runs exactly this text; the content of the file is no proof.

        The answer may come from the latest `read`, once, if we have changed nothing since: then
        both describe the same moment.
        """
        ...

    def check(self, text: str) -> None:
        """Let the router's own parser read the text in a separate process.

        Raises:
            RejectedError: with the router's line and column; nothing was loaded.
        """
        ...

    def starts_with(self, text: str) -> bool:
        """Return whether the router could start with this text in `file`.

        False only if the router does not run, and its own parser refuses the text alone.
        """
        ...

    def load(self, text: str, previous: str | None = None, enough: Callable[[], bool] = ...) -> str:
        """Make the router run this text, which stands in `file` already.

        `previous` is what stood there before, if the router agrees with it. It may have the same
        structure: then a router may change its state alone, and reload nothing.

        A router that takes long may load in portions, each of which leaves it sound: it leaves the
        rest to the next load as soon as `enough` is true. Such a text is not loaded (`is_loaded`).

        Return why some of its prefixes cannot be announced although the rest is loaded, in the
        router's words; the empty string where it says nothing.

        Raises:
            RejectedError: refused in context; the router runs what it ran before.
        """
        ...

    def withdraw(self, prefixes: frozenset[Prefix] | None = None, *, loaded: str = "") -> None:
        """Withdraw these prefixes, or all, at the router at once. Touches no file.

        `loaded` is the text that the router loaded last, if `file` holds it without the prefixes
        by now. If the router runs `loaded`, exactly these prefixes are withdrawn. Otherwise at
        least these, by a way that works whatever state the configs are in. The exports are not
        read back. With all prefixes, `loaded` only helps to find what belongs to them.
        """
        ...

    def undo_in(self) -> float | None:
        """Return in how many seconds the router will undo its config by itself; None if not.

        What was withdrawn after that config was loaded comes back then.
        """
        ...

    def notes(self) -> tuple[Finding, ...]:
        """Return findings about this router's own files and its release."""
        ...
