"""Remember which neighbors the last load gave FRR: an operator's may carry our route-maps too."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from anycast_routed.announce import owner
from anycast_routed.announce.frr.config_lines import MAP_OWNER
from anycast_routed.announce.frr.running_config import rendered
from anycast_routed.errors import AnycastRoutedError
from anycast_routed.system import files

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 1 << 20  # octets
_OWNED = f"route-map {MAP_OWNER} "


class KnownNeighbors:
    """The names of the neighbors that FRR may have from us, in a file beside our text.

    The text alone does not tell: it is replaced before the load. So after a kill between the two, a
    neighbor that the new text no longer has would stay forever.
    """

    def __init__(self, text_file: Path) -> None:
        """`text_file` has the text that was loaded last. It counts if there is no list of names."""
        self._text_file = text_file
        self._mark = f" description {owner.mark(text_file.parent)}\n"
        self._file = text_file.with_name("frr.neighbors")
        self._kept: tuple[frozenset[str] | None] | None = None

    def names(self, config: str) -> frozenset[str] | None:
        """Return the names for this running config.

        None if neither file is there, this user may read neither, or another instance, with another
        run directory, has loaded its neighbors since.
        """
        if _OWNED in config and self._mark not in config:
            return None
        return self._read() if self._kept is None else self._kept[0]

    def keep(self) -> None:
        """Let the names stay as they are until `write`, although the text is about to change."""
        self._kept = (self._read(),)

    def write(self, names: frozenset[str]) -> None:
        """Replace the names. If they cannot be written, the text counts again."""
        self._kept = None
        with contextlib.suppress(AnycastRoutedError):
            if files.read_own(self._file, most=_MOST) == (text := _listed(names)):
                return
            try:
                files.write(self._file, text)
            except AnycastRoutedError:
                files.remove(self._file)

    def _read(self) -> frozenset[str] | None:
        with contextlib.suppress(AnycastRoutedError):
            if (listed := files.read_own(self._file, most=_MOST)) is not None:
                return frozenset(listed.split())
            if (text := files.read_own(self._text_file, most=files.LARGEST)) is not None:
                return rendered(text).our_neighbors
        return None


def _listed(names: frozenset[str]) -> str:
    return "".join(f"{name}\n" for name in sorted(names))
