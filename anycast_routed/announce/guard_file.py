"""Write what `anycast-routed-withdraw.service` must know: it withdraws without this program.

Its shell script takes each line as data, and only if it matches a strict pattern. It finds by
itself what has our marks, so this file may be missing or older than what the router runs.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from anycast_routed.announce import owner, router_file
from anycast_routed.announce.bird.owned import Owned
from anycast_routed.errors import AnycastRoutedError
from anycast_routed.state import paths
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config


def keep(config: Config, speaker: Speaker) -> None:
    """Write the file, if it differs. Without it the script uses the defaults."""
    with contextlib.suppress(AnycastRoutedError):
        text = "".join(f"{line}\n" for line in _lines(config, speaker))
        place = paths.guard(config.daemon.run_dir)
        if files.read(place) != text:
            files.write(place, text, durable=False)


def _lines(config: Config, speaker: Speaker) -> Iterator[str]:
    yield f"owner {owner.mark(speaker.run_dir)}"
    yield f"router {speaker.name}"
    yield f"include-file {config.router.include_file}"
    yield f"control-socket {config.router.control_socket}"
    yield f"vty-dir {config.router.vty_dir}"
    yield f"vtysh {config.router.vtysh}"
    # An operator's template may give its protocols no description.
    for name in sorted(Owned.by(router_file.read(speaker) or "").named or ()):
        yield f"protocol {name}"
