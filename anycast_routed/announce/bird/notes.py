"""What an operator should know of BIRD's config and of our file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import boot, configure, layout
from anycast_routed.announce.bird.include import includes
from anycast_routed.errors import AnycastRoutedError
from anycast_routed.model import Code, Finding
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anycast_routed.announce.bird.socket import ControlSocket


def of_boot(file: Path) -> Iterator[Finding]:
    """Yield a finding if our file survives a boot."""
    if boot.survives(file):
        detail = f"{file} is on a disk: at boot, BIRD announces what it holds unchecked"
        fix = "run: anycast-routed setup --write; or put router.include-file below /run"
        yield Finding(Code.SURVIVES_BOOT, "", detail, fix)


def of_include_line(
    bird_conf: Path, file: Path, connect: Callable[[], ControlSocket]
) -> Iterator[Finding]:
    """Yield a finding if BIRD's config does not include our file."""
    with contextlib.suppress(AnycastRoutedError):
        if bird_conf.exists() and not _is_included(bird_conf, file, connect):
            detail = f"{bird_conf} does not include {file}"
            fix = "run: anycast-routed setup --write"
            yield Finding(Code.NOT_INCLUDED, "", detail, fix)


def _is_included(bird_conf: Path, file: Path, connect: Callable[[], ControlSocket]) -> bool:
    """Look for the line, and ask BIRD, which knows our constant wherever the line stands.

    Until anycast-routed has written its file, only BIRD's config files show this. During a reload,
    BIRD may not know the constant yet.
    """
    if includes(bird_conf, file):
        return True
    if layout.mark(files.read(file) or "") is None:
        return False
    with connect() as bird:
        return not bird.ask("eval anycast_routed_loaded").failed or configure.is_running(bird)
