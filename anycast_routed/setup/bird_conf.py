"""Our include line in the operator's bird.conf: put in and taken out with the same care.

BIRD reads the new text first, what stood there is kept beside it, and the file keeps its owner
and its mode.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from anycast_routed.announce.bird.include import include_line, includes, including
from anycast_routed.announce.bird.speaker import check_config
from anycast_routed.errors import ConfigError
from anycast_routed.report.text import safe
from anycast_routed.system import files

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.config import Router

_COMMENT = "# What anycast-routed announces; a missing file is fine."


def with_line(router: Router) -> dict[Path, str]:
    """Return bird.conf as it must be.

    Raises:
        ConfigError: there is none.
    """
    # The file itself, should an operator have a link there.
    path = router.config_file.resolve()
    current = files.read(path)
    if current is None:
        message = f"router.config-file: {path} does not exist"
        raise ConfigError(message, hint="name BIRD's config file, or install bird2")
    if includes(current, router.include_file):
        return {path: current}
    line = include_line(router.include_file)
    return {path: f"{current.rstrip()}\n\n{_COMMENT}\n{line}\n"}


def without_line(router: Router) -> dict[Path, str]:
    """Return bird.conf without what `with_line` has put there; nothing where it has not.

    Raises:
        ConfigError: the operator has something of his own on that line.
    """
    path = router.config_file.resolve()
    current = files.read(path)
    if current is None or not (ours := including(current, router.include_file)):
        return {}
    lines = current.split("\n")
    for number, alone in ours.items():
        if not alone:
            shown = safe(lines[number].strip())
            message = f"{path}:{number + 1}: our include is not alone on its line: {shown}"
            raise ConfigError(message, hint="take it out of there by hand, and run this again")
    kept = [line for number, line in enumerate(lines) if number not in ours]
    text = "\n".join(line for line in kept if line.strip() != _COMMENT)
    return {path: f"{text.rstrip()}\n"}


def install(path: Path, text: str, *, backup: str) -> None:
    """Put this text there; `backup` is what the old one's name ends with, unless it is there.

    Raises:
        RejectedError: BIRD refuses it; nothing has changed.
        CannotWriteError, AccessDeniedError: as `atomic.write`.
    """
    was = path.stat()
    mode, owner = stat.S_IMODE(was.st_mode), (was.st_uid, was.st_gid)
    # In the same folder, since an operator's own includes may be relative.
    candidate = path.with_name(f"{path.name}.candidate")
    files.write(candidate, text, mode=mode, owner=owner)
    try:
        check_config(candidate, path)
    finally:
        files.remove(candidate)
    kept = path.with_name(f"{path.name}.{backup}")
    if not kept.exists():
        files.write(kept, files.read(path) or "", mode=mode, owner=owner)
    files.write(path, text, mode=mode, owner=owner)
