"""Find out which static protocols of a running BIRD are ours, also those of an earlier file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers, layout
from anycast_routed.announce.bird.owned import (
    DESCRIPTION,
    Owned,
    described_in,
    is_of_our_form,
    of_prefixes,
)

if TYPE_CHECKING:
    from anycast_routed.announce.bird.socket import ControlSocket


def owned(bird: ControlSocket, text: str | None) -> Owned:
    """Return which protocols are ours, by our file's text and by what BIRD runs.

    The description of a protocol decides, since the operator may use the same name. But a text of
    an older version, or of an operator's template, gives no description. If BIRD runs such a text
    and the file has another one, the form of the name decides: a dead prefix must not stay
    announced.

    Raises:
        RouterUnavailableError: BIRD does not answer.
    """
    defined = Owned.by(text or "").named or frozenset()
    shown = bird.ask(f'show protocols all "{answers.OURS}"')
    statics = {name for name, kind in answers.kinds(shown).items() if kind == "Static"}
    described = answers.described(shown, DESCRIPTION) & statics
    unknown = {name for name in statics - described if is_of_our_form(name)}
    if described or not unknown or not _runs_another(bird, text):
        # What lacks the description that our file gives it is not what our file defines.
        return Owned(described | defined - (unknown & described_in(text or "")))
    is_lost = layout.mark(text or "") is None
    return Owned() if is_lost else Owned(defined | of_prefixes(unknown))


def _runs_another(bird: ControlSocket, text: str | None) -> bool:
    """Return whether BIRD runs another text of anycast-routed than this one."""
    loaded = bird.ask("eval anycast_routed_loaded")
    return not loaded.failed and loaded.text != layout.mark(text or "")
