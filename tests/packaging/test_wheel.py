"""The wheel has the program, its templates and its units, and works without the checkout."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from anycast_routed import __version__
from anycast_routed.system import commands
from tests.support.paths import ROOT

UNITS = sorted((ROOT / "packaging" / "systemd").iterdir())
RENDER = """
import anycast_routed, anycast_routed.announce.render as render
assert anycast_routed.__file__.startswith({directory!r}), anycast_routed.__file__
given = dict(owner="/run/x", sessions=None, peers=(), pipes=(), blocks=(), standby=())
print(render.Renderer("bird").render(given))
"""


def _build(tree: Path, directory: Path) -> Path:
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    done = commands.run(["env", "-C", str(tree), *argv], within=180)
    assert done.code == 0, done.err
    return next(directory.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once."""
    return _build(ROOT, tmp_path_factory.mktemp("dist"))


def test_a_second_build_of_the_wheel_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    for name in ("anycast_routed", "templates", "packaging"):
        # copy() does not keep the times of the files, so they differ as in another checkout.
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, copy_function=shutil.copy, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    again = _build(tmp_path, tmp_path / "dist")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_has_templates_and_units_and_no_other_top_level_directory(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"anycast_routed/templates/{name}.conf.j2" for name in ("bird", "frr")} < set(names)
    assert {f"anycast_routed/systemd/{unit.name}" for unit in UNITS} < set(names)
    assert {name.partition("/")[0] for name in names} == {
        "anycast_routed",
        f"anycast_routed-{__version__}.dist-info",
    }


def test_the_program_renders_with_the_templates_in_the_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = RENDER.format(directory=str(tmp_path))
    argv = ["env", "-C", "/", f"PYTHONPATH={tmp_path}", sys.executable, "-c", code]
    done = commands.run(argv, within=30)
    assert (done.code, done.err) == (0, "")
    assert "define anycast_routed_loaded" in done.out


def test_setup_uses_the_units_in_the_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    argv = ["env", "-C", "/", f"PYTHONPATH={tmp_path}", sys.executable, "-m", "anycast_routed"]
    config = str(ROOT / "tests" / "support" / "anycast-dns.json")
    found = set()
    for options in ([], ["--timer"]):
        done = commands.run(
            [*argv, "-q", "--json", "--config", config, "setup", "--systemd", *options], within=30
        )
        assert (done.code, done.err) == (0, "")
        found |= {Path(path).name for path in json.loads(done.out)["files"] if "systemd" in path}
    assert found == {unit.name for unit in UNITS}


def test_pyproject_has_the_version_of_the_program() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


def test_docs_dependencies_md_has_every_run_time_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = (ROOT / "docs" / "dependencies.md").read_text()
    names = [dependency.partition(">")[0] for dependency in project["dependencies"]]
    assert len(names) <= 10
    assert all(f"| {name} | `" in listed for name in names)
