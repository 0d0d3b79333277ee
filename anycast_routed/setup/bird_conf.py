"""Add the include line of anycast-routed to the operator's bird.conf, and remove it.

BIRD parses the new text first. The old text is kept in a backup in the same directory, and the
file keeps its owner and its mode.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.announce.bird.include import include_line, includes, including
from anycast_routed.announce.bird.parser import check_config
from anycast_routed.errors import ConfigError
from anycast_routed.report.text import safe
from anycast_routed.system import files

if TYPE_CHECKING:
    from anycast_routed.config import Router

_COMMENT = "# What anycast-routed announces; a missing file is fine."
_DEBIANS = Path("/etc/bird/bird.conf")
_DOCUMENTS, _EXAMPLE = Path("/usr/share/doc"), "bird*/examples/bird.conf"


def with_line(router: Router) -> dict[Path, str]:
    """Return the path and the text of bird.conf with the include line.

    Raises:
        ConfigError: bird.conf does not exist.
    """
    # Write to the file itself if the path is a link.
    path = router.config_file.resolve()
    current = files.read(path)
    if current is None:
        message = f"router.config-file: {path} does not exist"
        raise ConfigError(message, hint=_how_to_get(path))
    if includes(path, router.include_file):
        return {path: current}
    line = include_line(router.include_file)
    return {path: f"{current.rstrip()}\n\n{_COMMENT}\n{line}\n"}


def _how_to_get(path: Path) -> str:
    """Return the hint for a missing bird.conf; newer packages of BIRD bring only an example."""
    example = min(_DOCUMENTS.glob(_EXAMPLE), default=None)
    if example is not None and path == _DEBIANS:  # elsewhere, BIRD may never read the copy
        return f"run: cp {example} {path}, and start BIRD; or set the key to BIRD's config file"
    return "set it to BIRD's config file, or install bird2"


def without_line(router: Router) -> dict[Path, str]:
    """Return the path and the text of bird.conf without the include line; empty if it has none.

    Raises:
        ConfigError: the line also holds text of the operator.
    """
    path = router.config_file.resolve()
    current = files.read(path)
    if current is None or not (found := including(current, router.include_file)):
        return {}
    lines = current.split("\n")
    for number, alone in found.items():
        if not alone:
            shown = safe(lines[number].strip())
            message = f"{path}:{number + 1}: the include is not alone on its line: {shown}"
            raise ConfigError(message, hint="remove the include by hand, and run this again")
    kept = [line for number, line in enumerate(lines) if number not in found]
    text = "\n".join(line for line in kept if line.strip() != _COMMENT)
    return {path: f"{text.rstrip()}\n"}


def install(path: Path, text: str, *, backup: str) -> None:
    """Install a new text of bird.conf after BIRD has checked it.

    `backup` is the suffix of the copy of the old text; an existing copy is not overwritten.

    Raises:
        RejectedError: BIRD rejects the text; nothing has changed.
        CannotWriteError, AccessDeniedError: as `files.write`.
    """
    old = path.stat()
    mode, owner = stat.S_IMODE(old.st_mode), (old.st_uid, old.st_gid)
    # In the same directory, since the operator's includes may be relative.
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
