"""The Debian package of this tree, built once, and a newer one."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from anycast_routed.system.commands import run
from tests.support.machines.cache import cache
from tests.support.paths import ROOT

NEWER = "99.0"
_ONLY_IN_NEWER = """
import jinja2.defaults

jinja2.defaults.DEFAULT_FILTERS["of_the_newer"] = str
"""
_KEPT = 86_400.0  # seconds
_NOT_IN_IT = ("bench/", "tests/", "vagrant/")
_BUILDING_TAKES = 600.0  # seconds: 15, or a slow mirror


@dataclass(frozen=True, slots=True)
class Packages:
    """Two packages, the second with version 99.0 in everything that says one, and new templates."""

    current: Path
    newer: Path


def packages() -> Packages:
    """Return both, from the cache if the tree is one that they were built from.

    The cache is beside the image's, for every checkout of this user. What nobody has asked for in a
    day goes.
    """
    kept = cache()
    with (kept / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = kept / f"package-{_digest()}"
        if not folder.is_dir():
            for old in kept.glob("package-*/"):
                if time.time() - old.stat().st_mtime > _KEPT:
                    shutil.rmtree(old)
            _build(folder)
        os.utime(folder)
    newer = next(folder.glob(f"anycast-routed_{NEWER}_*.deb"))
    current = next(one for one in folder.glob("*.deb") if one != newer)
    return Packages(current, newer)


def _build(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="package-", dir=folder.parent) as made:
        script = str(ROOT / "packaging" / "build-deb")
        current = Path(_run(script, f"{made}/out", within=_BUILDING_TAKES).splitlines()[-1])
        tree = Path(made, "tree")
        _run("dpkg-deb", "--raw-extract", str(current), str(tree))
        control = tree / "DEBIAN" / "control"
        control.write_text(_with_version(control.read_text("utf-8")), "utf-8")
        _renew(tree / "usr/lib/anycast-routed/anycast_routed")
        newer = current.with_name(f"anycast-routed_{NEWER}_amd64.deb")
        # Not compressed: it is read once or twice.
        _run("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(newer))
        current.parent.rename(folder)


def _renew(program: Path) -> None:
    """Make it another version: templates that only its own code knows how to render."""
    file = program / "__init__.py"
    lines = file.read_text("utf-8").splitlines(keepends=True)
    said = [f'__version__ = "{NEWER}"\n' if "__version__ =" in line else line for line in lines]
    file.write_text("".join([*said, _ONLY_IN_NEWER]), "utf-8")
    for template in program.glob("templates/*.j2"):
        template.write_text(f'{{{{ "" | of_the_newer }}}}{template.read_text("utf-8")}', "utf-8")


def _with_version(control: str) -> str:
    lines = control.splitlines(keepends=True)
    return "".join(f"Version: {NEWER}\n" if line.startswith("Version:") else line for line in lines)


def _digest() -> str:
    """Return a digest of every file that the package may be made from."""
    git = ("git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}")
    listed = _run(*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    examples = (ROOT / "packaging" / "debian" / "examples").read_text("utf-8").split()
    names = {name for name in listed.split("\0") if not name.startswith(_NOT_IN_IT)}
    digest = hashlib.sha256()
    for name in sorted({*names, *examples}):
        file = ROOT / name
        if name and file.is_file():
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{name}\0{file.stat().st_mode:o}\0{content}\0".encode())
    return digest.hexdigest()[:16]


def _run(*argv: str, within: float = 60) -> str:
    done = run(argv, within=within)
    assert done.code == 0, f"{' '.join(argv)}: {done.out}{done.err}"
    return done.out
