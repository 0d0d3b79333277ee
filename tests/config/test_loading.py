"""Which config file is chosen, and files that cannot be read or parsed. No file may block."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anycast_routed.config import (
    InvalidConfigError,
    digest,
    load,
    load_with_digest,
    loads,
    locate,
)
from anycast_routed.config.load import LARGEST
from anycast_routed.errors import ConfigError
from tests.support.paths import ANYCAST_DNS_CONFIG


def refused(path: Path, code: int = 78) -> str:
    """Return the message, without the path, for a file that `load` refuses."""
    with pytest.raises(InvalidConfigError) as caught:
        load(path)
    assert caught.value.file == str(path)
    assert caught.value.exit_code == code
    return str(caught.value).removeprefix(f"{path}: ")


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Run the block as a user that is not root, and so may not read every file."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


def fault_of(text: str, *, toml: bool = False) -> str:
    """Return the message for a text that `loads` refuses."""
    with pytest.raises(InvalidConfigError) as caught:
        loads(text, name="x", toml=toml)
    return str(caught.value)


def test_the_config_option_overrides_the_environment(tmp_path: Path) -> None:
    chosen = tmp_path / "a.toml"
    assert locate(chosen, {"ANYCAST_ROUTED_CONFIG": "/b.toml"}) == chosen
    assert locate(None, {"ANYCAST_ROUTED_CONFIG": "/b.toml"}) == Path("/b.toml")


def test_the_first_default_that_exists_is_taken(tmp_path: Path) -> None:
    toml, json = tmp_path / "config.toml", tmp_path / "config.json"
    environ = {"ANYCAST_ROUTED_CONFIG": ""}
    with pytest.raises(ConfigError) as caught:
        locate(None, environ, (toml, json))
    assert str(toml) in caught.value.hint
    assert str(json) in caught.value.hint
    assert caught.value.exit_code == 78
    json.touch()
    assert locate(None, environ, (toml, json)) == json
    toml.symlink_to("nowhere")
    assert locate(None, environ, (toml, json)) == toml
    assert locate(None, environ, (json / "below", json)) == json


@pytest.mark.parametrize("name", ["config", "config.yaml", "config.json.bak"])
def test_another_suffix_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    assert refused(tmp_path / name).startswith("has neither .json nor .toml")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.json").startswith("does not exist; name another with --config")
    (tmp_path / "loop.json").symlink_to("loop.json")
    assert refused(tmp_path / "loop.json").startswith("cannot be read: ")
    assert "null byte" in refused(Path("/a\0.json"))


def test_a_directory_and_a_fifo_are_refused(tmp_path: Path) -> None:
    (tmp_path / "directory.json").mkdir()
    assert refused(tmp_path / "directory.json") == "is a directory; name a file"
    os.mkfifo(tmp_path / "fifo.toml")
    assert refused(tmp_path / "fifo.toml") == "is not a regular file; name a file"
    (tmp_path / "null.json").symlink_to("/dev/null")
    assert refused(tmp_path / "null.json") == "is not a regular file; name a file"


def test_the_digest_is_of_the_content_that_was_read_and_never_blocks(tmp_path: Path) -> None:
    config = ANYCAST_DNS_CONFIG
    assert load_with_digest(config) == (
        load(config),
        hashlib.sha256(config.read_bytes()).hexdigest(),
    )
    assert digest(config) == load_with_digest(config)[1]
    pipe, large = tmp_path / "pipe.json", tmp_path / "large.json"
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(LARGEST + 1)
    assert {digest(path) for path in (pipe, large, tmp_path, tmp_path / "none")} == {""}


def test_an_unreadable_file_is_refused_with_exit_code_77(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.touch(mode=0)
    with an_ordinary_user():
        message = refused(file, code=77)
    assert message.startswith("may not be read by this user; run it with sudo, or as a member of ")


def test_a_default_path_in_a_closed_directory_is_chosen(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with an_ordinary_user():
        assert locate(None, {}, (closed / "a.toml", tmp_path)) == closed / "a.toml"


def test_a_file_above_16_mebibytes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    with file.open("wb") as writer:
        writer.truncate(LARGEST + 1)
    assert refused(file).startswith("is larger than 16 MiB")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b'{\n"dns": "\xff"}')
    assert refused(file) == "is not UTF-8 in line 2; save it as UTF-8"
    file.write_bytes(b"\xef\xbb\xbf{}")
    assert refused(file).startswith("starts with a byte order mark")
    file.write_bytes("{}".encode("utf-16"))
    assert refused(file).startswith("is not UTF-8 in line 1")


def test_a_file_name_with_escapes_is_quoted() -> None:
    with pytest.raises(InvalidConfigError) as caught:
        loads("", name="a\x1b\n.json", toml=False)
    assert str(caught.value) == '"a\\x1b\\n.json": is empty'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("[]", "must be one object; write it in { }"),
        ("3", "must be one object; write it in { }"),
        ('{\n  "dns": {"ip": }\n}', "line 2, column 17: broken JSON: expecting value"),
        ('{"dns": 1,\n}', "line 1, column 10: there is a comma before the end; delete it"),
        ('{"dns": [1,]}', "line 1, column 11: there is a comma before the end; delete it"),
        (
            '{"dns":',
            "line 1, column 8: the file ends too early; a bracket or a quote is still open",
        ),
        ("{} {}", "line 1, column 4: there is text after the end of the config; delete it"),
        (
            "{\n  // comment\n}",
            "line 2, column 3: JSON has no comments; delete it, or write the config as TOML",
        ),
        ("[" * 100_000, "is nested too deeply"),
        ('{"a":' + "1" * 5000 + "}", "has a number with too many digits"),
    ],
)
def test_broken_json_is_shown_with_its_place(text: str, message: str) -> None:
    assert fault_of(text) == f"x: {message}"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[dns]\nip = \n", "line 2, column 6"),
        ("a = 1\na = 2\n", "line 2, column 6"),
        ("[dns", "line 1, column 5"),
        ('a = """\nx', "line 2, column 2"),
        ("a = 2020-99-99", "line 1, column 9"),
        ("\x00", "line 1, column 1"),
    ],
)
def test_broken_toml_is_shown_with_its_place(text: str, place: str) -> None:
    assert fault_of(text, toml=True).startswith(f"x: {place}: broken TOML: ")


def test_deeply_nested_toml_is_refused() -> None:
    assert fault_of("a = " + "[" * 100_000, toml=True) == "x: is nested too deeply"
    assert "is not a key" in fault_of("[" + ".".join("a" * 250) + "]", toml=True)
    too_many = "x: has a line with too many dots"
    assert fault_of("[" + ".".join("a" * 5000) + "]", toml=True) == too_many


def test_repeated_keys_are_named() -> None:
    text = '{"dns": {"ip": "127.0.0.1", "ip": "::1"}, "bgp": {"peers": [{"as": 1, "as": 2}]}}'
    with pytest.raises(InvalidConfigError) as caught:
        loads(text, name="x", toml=False)
    repeated = {fault.path for fault in caught.value.faults if fault.message == "is repeated"}
    assert repeated == {"dns.ip", "bgp.peers[0].as"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_nan_and_infinity_are_refused(number: str) -> None:
    text = f'{{"dns": {{"timeout": {number}, "rise": {number}}}}}'
    with pytest.raises(InvalidConfigError) as caught:
        loads(text, name="x", toml=False)
    assert {"dns.timeout", "dns.rise"} < {fault.path for fault in caught.value.faults}


def test_dates_and_numbers_that_only_toml_has_are_refused() -> None:
    text = "[dns]\nip = 2020-01-01\ntimeout = nan\ninterval = inf\nrise = 0x" + "f" * 9000
    with pytest.raises(InvalidConfigError) as caught:
        loads(text, name="x", toml=True)
    found = {fault.path: fault.message for fault in caught.value.faults}
    assert found["dns.ip"] == "must be text in quotes, not a date or a time"
    assert found["dns.timeout"] == "must be a finite number of seconds, not nan"
    assert found["dns.interval"] == "must be a finite number of seconds, not inf"
    assert found["dns.rise"] == "must be from 1 to 100, not a much larger number"
