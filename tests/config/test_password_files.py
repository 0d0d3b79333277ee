"""Password files: which are accepted, and that no message shows a password."""

from __future__ import annotations

import copy
import json
import os
import pickle
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest

from anycast_routed.config import InvalidConfigError, password_files
from anycast_routed.config.password_files import UnreadPasswordsError
from anycast_routed.decide.plan import plan
from anycast_routed.model import Verdict
from anycast_routed.password import MASK, Password
from anycast_routed.state.documents import document
from tests.support.configs import anycast_dns, config_of
from tests.support.plans import observed
from tests.support.users import DAEMON, OTHER, acting_as, directory_for_all, needs_users

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anycast_routed.config import Config

CANARY = "cAnAry-5f2c"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Yield a directory that other users can enter."""
    with directory_for_all() as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a password file that is accepted."""
    made = tmp_path / "edge.password"
    made.write_text(f"{CANARY}\n")
    made.chmod(0o640)
    return made


def naming(*files: object) -> Config:
    """Return a config in which these are the peers' password files."""
    config = anycast_dns()
    for peer, file in zip(config["bgp"]["peers"], files, strict=False):
        peer["password-file"] = str(file)
    return config_of(config)


def revealed(config: Config) -> list[str]:
    """Return the passwords of the peers."""
    assert config.bgp is not None
    return [peer.password_file.reveal() for peer in config.bgp.peers if peer.password_file]


def refusal(config: Config) -> UnreadPasswordsError:
    """Return the error for refused passwords; check that it contains nothing of the canary."""
    with pytest.raises(UnreadPasswordsError) as caught:
        password_files.needed(password_files.read(config))
    assert "nAry" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("content", [CANARY, f"{CANARY}\n", "x" * 80, "!%&'()*+,-./:<=>?@[]^_~"])
def test_one_line_of_printable_ascii_is_a_password(file: Path, content: str) -> None:
    file.write_text(content)
    config = password_files.read(naming(file))
    password_files.needed(config)
    assert revealed(config) == [content.strip()]


@pytest.mark.parametrize(
    "content",
    [
        *(
            "",
            "\n",
            "short",
            f"{CANARY}\nmore\n",
            f"{CANARY}\r\n",
            f" {CANARY}",
            f"{CANARY}\n\n",
            "x" * 81,
        ),
        *(f"{CANARY}{one}" for one in '"\\|;{}$#` \t\0\x7fé'),
        "x" * 100_000,
    ],
)
def test_other_content_is_refused_and_not_repeated(file: Path, content: str) -> None:
    file.write_text(content)
    error = refusal(naming(file))
    assert str(file) in error.message
    assert error.faults[0].path == "bgp.peers[0].password-file"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o642, 0o641, 0o620])
def test_a_password_file_open_to_other_users_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    error = refusal(naming(file))
    assert f"{mode:04o}" in error.message
    assert f"chmod 640 {file}" in error.faults[0].hint


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_password_file_closed_to_other_users_is_accepted(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert revealed(password_files.read(naming(file))) == [CANARY]


def test_a_password_file_that_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("fifo", "loop", "missing", "."):
        assert str(tmp_path) in refusal(naming(f"{tmp_path}/{name}".removesuffix("/."))).message


def test_a_link_is_checked_by_the_mode_of_its_target(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert revealed(password_files.read(naming(link))) == [CANARY]
    file.chmod(0o644)
    assert "0644" in refusal(naming(link)).message


@needs_users
def test_a_password_file_must_belong_to_root_or_to_this_user(file: Path) -> None:
    os.chown(file, OTHER, 0)
    assert f"belongs to user {OTHER}" in refusal(naming(file)).message
    os.chown(file, 0, DAEMON)
    with acting_as(DAEMON):
        assert revealed(password_files.read(naming(file))) == [CANARY]
    with acting_as(OTHER):
        assert "may not be read by user" in refusal(naming(file)).message
        _, unknown = password_files.imagined(naming(file))
        assert "may not be read" in unknown[0].detail


@needs_users
def test_root_checks_the_mode_for_the_daemons_user(file: Path, tmp_path: Path) -> None:
    config = naming(file)
    for directory, owner, group in (
        (tmp_path / "none", 0, "GROUP"),
        (tmp_path / "run", DAEMON, DAEMON),
    ):
        if owner:
            directory.mkdir()
            os.chown(directory, owner, owner)
        daemon = config.daemon.model_copy(update={"state_dir": directory, "run_dir": directory})
        config = config.model_copy(update={"daemon": daemon})
        file.chmod(0o644)
        assert f"chown root:{group} {file}" in refusal(config).faults[0].hint
        file.chmod(0o640)
    assert "may not be read by user" in " ".join(map(str, password_files.closed(config)))
    os.chown(file, 0, DAEMON)
    assert not [*password_files.closed(config)]
    os.chown(file, DAEMON, 0)
    assert revealed(password_files.read(config)) == [CANARY]
    assert not [*password_files.closed(config)]
    os.chown(file, OTHER, 0)
    assert "who can change it" in refusal(config).message


def test_all_password_faults_are_reported_at_once(file: Path) -> None:
    file.chmod(0o644)
    error = refusal(naming(file, file.with_name("missing")))
    places = [fault.path for fault in error.faults]
    assert places == [f"bgp.peers[{number}].password-file" for number in (0, 1)]


def test_a_bare_name_is_a_systemd_credential(file: Path) -> None:
    config = naming(file.name)
    environ = {"CREDENTIALS_DIRECTORY": str(file.parent)}
    assert revealed(password_files.read(config, environ)) == [CANARY]
    assert password_files.files(config, environ) == (file,)
    assert password_files.files(config, {}) == ()
    error = refusal(config)
    assert "systemd credential" in error.message
    assert "LoadCredential=" in error.faults[0].hint


def test_a_read_only_verb_goes_on_without_a_credential(file: Path) -> None:
    config, unknown = password_files.imagined(naming("edge", file))
    assert revealed(config) == [MASK, CANARY]
    assert len(unknown) == 1
    file.chmod(0o644)
    with pytest.raises(UnreadPasswordsError):
        password_files.imagined(naming("edge", file))


@pytest.mark.parametrize("value", [CANARY + " x", "a/b", "", "../x", 7, None, [CANARY], "/a/../b"])
def test_a_value_that_is_no_path_and_no_name_is_not_repeated(value: object) -> None:
    config = anycast_dns()
    config["bgp"]["peers"][0]["password-file"] = value
    with pytest.raises(InvalidConfigError) as caught:
        config_of(config)
    assert "bgp.peers[0].password-file" in str(caught.value)
    assert "nAry" not in str(caught.value)


def test_a_password_in_the_config_itself_is_not_repeated() -> None:
    config = anycast_dns()
    config["bgp"]["peers"][0]["password"] = CANARY
    with pytest.raises(InvalidConfigError, match='did you mean "password-file"') as caught:
        config_of(config)
    assert "nAry" not in str(caught.value)


def test_no_way_of_printing_shows_the_password(file: Path) -> None:
    config = password_files.read(naming(file))
    decision = plan(config, observed(Verdict.UP))
    assert config.bgp is not None
    secret = config.bgp.peers[0].password_file
    assert secret is not None
    assert secret.reveal() == CANARY
    printed = [repr(secret), str(secret), f"{secret:>20}", "%s" % secret, format(secret)]  # noqa: UP031
    printed += [repr(config), str(config.bgp), repr(decision), repr(replace(decision))]
    printed += [
        repr(asdict(decision)),
        repr(copy.deepcopy([secret])),
        repr(vars(config.bgp.peers[0])),
    ]
    printed += [json.dumps(document("plan", plan=decision), default=str)]
    assert not [one for one in printed if "nAry" in one]
    for store in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError) as caught:
            store(secret)
        assert "nAry" not in str(caught.value)
    with pytest.raises(ValueError, match="serialize"):
        config.model_dump_json()


def test_configs_with_different_passwords_differ(file: Path) -> None:
    before = password_files.read(naming(file))
    assert before == password_files.read(naming(file))
    file.write_text("another")
    assert before != password_files.read(naming(file))
    assert Password(file, "a") != Password(file, "b")
