"""Man pages and shell completions, made from the command line and the config's sections.

    python3 -m anycast_routed.manual OUT_DIR

A key, a verb or an option that is added shows there by itself. The same source gives the same
files: the only date in them is `SOURCE_DATE_EPOCH`, where a package's build has set it.
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
    """Return every file, by its place below the folder that is asked for."""
    made_on = environ.get("SOURCE_DATE_EPOCH")
    date = datetime.fromtimestamp(int(made_on), UTC).strftime("%Y-%m-%d") if made_on else ""
    verbs = program()
    return {
        "man/anycast-routed.8": program_page.page(verbs, date),
        "man/anycast-routed.toml.5": config_page.page(date),
        "completions/bash/anycast-routed": completions.bash(verbs),
        "completions/zsh/_anycast-routed": completions.zsh(verbs),
        "completions/fish/anycast-routed.fish": completions.fish(verbs),
    }


def write(folder: Path) -> None:
    """Write all of them below `folder`."""
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
