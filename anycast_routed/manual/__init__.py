"""Generate the man pages and shell completions from the command line and the config sections.

    python3 -m anycast_routed.manual OUT_DIR

New keys, verbs and options appear without a change here. The same source gives the same files: the
only date in them is `SOURCE_DATE_EPOCH`, if the build of a package sets it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from anycast_routed.manual import completions, config_page, program_page
from anycast_routed.manual.verbs import program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def files(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the text of every file by its path below the output directory."""
    epoch = environ.get("SOURCE_DATE_EPOCH")
    date = datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%d") if epoch else ""
    verbs = program()
    return {
        "man/anycast-routed.8": program_page.page(verbs, date),
        "man/anycast-routed.toml.5": config_page.page(date),
        "completions/bash/anycast-routed": completions.bash(verbs),
        "completions/zsh/_anycast-routed": completions.zsh(verbs),
        "completions/fish/anycast-routed.fish": completions.fish(verbs),
    }


def write(directory: Path) -> None:
    """Write every file below `directory`."""
    for name, text in files().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
