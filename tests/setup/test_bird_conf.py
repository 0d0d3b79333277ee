"""The include line in the operator's bird.conf: found as BIRD finds it, and removed alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce.bird.include import include_line, includes
from anycast_routed.cli.main import main
from tests.support.paths import ANYCAST_DNS_CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = Path("/run/anycast-routed/bird.conf")
LINE = include_line(FILE)


@pytest.fixture
def remove(tmp_path: Path) -> Callable[[str], tuple[int, str]]:
    """Return a function that removes the line from a bird.conf: exit code, and the new text."""
    bird_conf, config = tmp_path / "bird.conf", tmp_path / "config.json"
    router = {"config-file": str(bird_conf)}
    config.write_text(json.dumps(json.loads(ANYCAST_DNS_CONFIG.read_text()) | {"router": router}))

    def removed(text: str) -> tuple[int, str]:
        bird_conf.write_text(text, newline="")
        code = main(["--config", str(config), "setup", "--remove", "--write"])
        return code, bird_conf.read_text()

    return removed


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        f'\t include   "{FILE}" ;',
        f"{LINE} # ours",
        f"{LINE} protocol static keepme {{ ipv4; }}",
        f"# a /* in a comment\n{LINE}",
        f'log "/*";\n{LINE}',
        f"/* a comment that\n ends */\n{LINE}",
    ],
)
def test_the_include_line_is_found(text: str, tmp_path: Path) -> None:
    conf = tmp_path / "bird.conf"
    conf.write_text(f"router id 192.0.2.1;\n{text}\n")
    assert includes(conf, FILE)


@pytest.mark.parametrize("pattern", ["{}/*.conf", "other/*.conf", "{}/anycast.con[f]"])
def test_the_include_line_is_found_in_a_file_that_bird_conf_includes(
    pattern: str, tmp_path: Path
) -> None:
    others = tmp_path / "other"
    others.mkdir()
    conf = tmp_path / "bird.conf"
    conf.write_text(f'include "{pattern.format(others)}";\n')
    assert not includes(conf, FILE)
    (others / "anycast.conf").write_text(f"{LINE}\n")
    assert includes(conf, FILE)
    conf.write_text(f'include "{conf}";\n')
    assert not includes(conf, FILE), "a file that includes itself ends the search"


@pytest.mark.parametrize(
    "text",
    [
        f"# {LINE}",
        f"/*\n{LINE}\n*/",
        f"/* {LINE} */",
        f"protocol device {{}} {LINE}",
        include_line(FILE.with_name("other.conf")),
        LINE.removesuffix(";"),
    ],
)
def test_a_line_that_bird_does_not_include_is_not_found(text: str, tmp_path: Path) -> None:
    conf = tmp_path / "bird.conf"
    conf.write_text(f"router id 192.0.2.1;\n{text}\n")
    assert not includes(conf, FILE)


@pytest.mark.parametrize("line", [LINE, f"{LINE}  # anycast", f'include "{FILE}";'])
def test_only_the_include_line_is_removed(
    remove: Callable[[str], tuple[int, str]], line: str
) -> None:
    own = "router id 192.0.2.1;\n# caf\N{LINE SEPARATOR}anycast\nprotocol device {}\n"
    assert remove(f"{own}{line}\n") == (0, own)


def test_a_line_with_other_statements_stays(
    remove: Callable[[str], tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"router id 192.0.2.1;\n{LINE} protocol static keepme {{ ipv4; }}\n"
    assert remove(text) == (78, text)
    said = capsys.readouterr().err
    assert "bird.conf:2: the include is not alone on its line" in said
    assert "keepme" in said
