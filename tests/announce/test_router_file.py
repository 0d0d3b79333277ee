"""Our file for the router: who can read it, and what is deleted in its place."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce import router_file, withdraw
from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.errors import AnycastRoutedError

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "cAnAry-0d3e"
WITHOUT = "protocol static anycast_dns_v4 {\n}\n"
WITH_PASSWORD = f'protocol bgp anycast_peer_1 {{\n  password "{CANARY}";\n}}\n'


def test_a_file_that_is_too_large_to_be_ours_is_deleted(tmp_path: Path) -> None:
    speaker = BirdSpeaker(tmp_path / "bird.ctl", tmp_path / "bird.conf")
    speaker.file.write_text(WITHOUT)
    os.truncate(speaker.file, 1 << 30)
    assert router_file.read(speaker) is None
    withdraw.shorten_file(speaker, frozenset())
    assert not speaker.file.exists()
    os.mkfifo(speaker.file)
    withdraw.shorten_file(speaker, frozenset())
    assert not speaker.file.exists()


def test_unfinished_files_of_a_killed_process_are_deleted(tmp_path: Path) -> None:
    speaker = BirdSpeaker(tmp_path / "bird.ctl", tmp_path / "bird.conf")
    for name in ("bird.conf", ".bird.conf.0123abcd", ".bird.conf.bak", ".xbird.conf.0123abcd"):
        (tmp_path / name).write_text("")
    router_file.sweep(speaker)
    assert {one.name for one in tmp_path.iterdir()} == {
        "bird.conf",
        ".bird.conf.bak",
        ".xbird.conf.0123abcd",
    }


def test_a_file_with_a_password_is_readable_by_the_routers_group_only(tmp_path: Path) -> None:
    control = tmp_path / "bird.ctl"
    control.touch()
    speaker = BirdSpeaker(control, tmp_path / "bird.conf")
    router_file.write(speaker, WITHOUT)
    assert stat.S_IMODE(speaker.file.stat().st_mode) == 0o644
    router_file.write(speaker, WITH_PASSWORD)
    found = speaker.file.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o640, control.stat().st_gid)
    assert router_file.is_private(speaker, WITH_PASSWORD)
    speaker.file.chmod(0o644)
    assert not router_file.is_private(speaker, WITH_PASSWORD)
    router_file.keep_rejected(speaker, WITH_PASSWORD)
    assert CANARY not in (tmp_path / "bird.conf.rejected").read_text()


def test_a_file_that_the_router_could_not_read_is_not_written(tmp_path: Path) -> None:
    speaker = BirdSpeaker(tmp_path / "missing.ctl", tmp_path / "bird.conf")
    with pytest.raises(AnycastRoutedError, match="no group is known"):
        router_file.write(speaker, WITH_PASSWORD)
    assert not [*tmp_path.iterdir()]
