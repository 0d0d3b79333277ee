"""Run anycast-routed, which stops while Python loads it, until a FIFO is written and closed.

held_while_loading.py FIFO VERB...
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.cli import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_LOADED_AFTER_THE_SIGNAL_HANDLERS = "anycast_routed.cli.main"


class _Holder(MetaPathFinder):
    """Finds no module, but waits when Python looks for the first that loads the program."""

    def __init__(self, fifo: Path) -> None:
        self._fifo = fifo

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the interface of importlib
        target: ModuleType | None = None,  # noqa: ARG002 - the interface of importlib
    ) -> ModuleSpec | None:
        """Read the FIFO to its end at that module."""
        if fullname == _LOADED_AFTER_THE_SIGNAL_HANDLERS:
            self._fifo.read_bytes()
        return None


if __name__ == "__main__":
    fifo = Path(sys.argv.pop(1))
    sys.meta_path.insert(0, _Holder(fifo))
    sys.exit(run())
