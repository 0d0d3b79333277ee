"""What a router must be able to do for us; `bird.py` and `frr.py` each do it in their own language.

Every call has a hard deadline: a router that is stopped (SIGSTOP) never answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from anycast_routed.finding import Finding
    from anycast_routed.model import Plan, Prefix, Readback


class Speaker(Protocol):
    """One BGP router on this host. Constructing one does no I/O.

    Each method may raise RouterUnavailableError (it does not answer) or AccessDeniedError.
    """

    @property
    def name(self) -> str:
        """`bird` or `frr`: names the template and is what people read."""
        ...

    @property
    def file(self) -> Path:
        """Where the rendered text lives. BIRD includes this file; for FRR it is our record."""
        ...

    @property
    def socket(self) -> Path:
        """Where the router listens for us: a file that it makes anew at each start."""
        ...

    def incarnation(self) -> str:
        """Name this life of a router that may start with what we have withdrawn since.

        Empty where it cannot: BIRD starts with our file, which has the last verdict or, after a
        boot, is not there.
        """
        ...

    def variables(self, plan: Plan) -> Mapping[str, object]:
        """Lay the plan out for this router's template.

        Raises:
            ConfigError: the router's own config leaves no place for the plan.
        """
        ...

    def read(self) -> Readback:
        """Ask the router what it holds and exports of ours, and in which state its sessions are."""
        ...

    def is_loaded(self, text: str) -> bool:
        """Ask whether exactly this text is what the router runs; the file's content is no proof.

        What the latest `read` has seen on its way may be taken for the answer, once, where we
        have changed nothing since: the two then speak of the same moment.
        """
        ...

    def check(self, text: str) -> None:
        """Have the router's own parser read the text in a separate process.

        Raises:
            RejectedError: with the router's line and column; nothing was loaded.
        """
        ...

    def load(self, text: str) -> None:
        """Make the router run this text, which stands in `file` already.

        Raises:
            RejectedError: refused in context; the router runs what it ran before.
        """
        ...

    def starts_with(self, text: str) -> bool:
        """Tell whether the router could start with this text in `file`.

        False only where it does not run, and its own parser refuses the text as it stands alone.
        """
        ...

    def held(self, text: str) -> frozenset[Prefix]:
        """Return the prefixes that a text of ours announces. Pure, no I/O."""
        ...

    def without(self, text: str, prefixes: Collection[Prefix] | None = None) -> str:
        """Take these prefixes, or all, out of a text of ours; the sessions stay. Pure, no I/O.

        A text that cannot be cut so (an operator's own template) becomes the empty text.
        """
        ...

    def shorten(self, text: str, gone: frozenset[Prefix]) -> None:
        """Withdraw exactly these prefixes of `text`, by the shortest way that touches no other.

        `text` is what `file` held when the router loaded it; `file` holds it without them
        already. Where the router refuses that way, or does not run this text, they are withdrawn
        all the same, as `withdraw` does it. No read-back of the exports is made.
        """
        ...

    def withdraw(self, prefixes: Collection[Prefix] | None = None) -> None:
        """Withdraw at the router at once, at least these prefixes of ours, or all.

        This is the way out when a reload cannot be had: it works whatever state the
        configs are in, and touches no file.
        """
        ...

    def notes(self) -> tuple[Finding, ...]:
        """Return findings about this router's own files."""
        ...
