"""The package with the program of 0.1.0; its scripts and units have not changed since."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from anycast_routed.system.commands import run
from tests.support import older_program

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "0.1.0~older"
"""Older than the package of the tree, for dpkg."""


def older_package(current: Path, directory: Path) -> Path:
    """Put the program of 0.1.0 into a copy of the current package; return the new package."""
    tree, old = directory / "tree", older_program.old().tree
    _run("dpkg-deb", "--raw-extract", str(current), str(tree))
    control = tree / "DEBIAN" / "control"
    lines = control.read_text("utf-8").splitlines()
    of = [f"Version: {VERSION}" if one.startswith("Version:") else one for one in lines]
    control.write_text("\n".join([*of, ""]), "utf-8")
    program = tree / "usr/lib/anycast-routed/anycast_routed"
    shutil.rmtree(program)
    shutil.copytree(old / "anycast_routed", program)
    shutil.copytree(old / "templates", program / "templates")
    made = directory / f"anycast-routed_{VERSION}.deb"
    _run("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(made))
    return made


def _run(*argv: str) -> None:
    done = run(argv, within=60)
    assert done.code == 0, f"{' '.join(argv)}: {done.out}{done.err}"
