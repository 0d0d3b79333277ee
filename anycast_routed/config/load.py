"""From a file to a `Config`, or to one error with every fault of the file."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from anycast_routed.config.faults import (
    Fault,
    InvalidConfigError,
    UnreadableConfigError,
    explained,
    spelled,
)
from anycast_routed.config.rules import Loc, clashes
from anycast_routed.config.sections import Config
from anycast_routed.config.syntax import Repeating, parsed_json, parsed_toml, stop
from anycast_routed.errors import ConfigError

VARIABLE = "ANYCAST_ROUTED_CONFIG"
DEFAULTS = (
    Path("/etc/anycast-routed/config.toml"),
    Path("/etc/anycast-routed/config.json"),
)
EXAMPLE = Path("/usr/share/doc/anycast-routed/examples/config.toml")
"""Where the Debian package has a config with every key."""
LARGEST = 16 * 1024 * 1024
"""The largest config file that is read, in octets."""


def locate(
    option: Path | None, environ: Mapping[str, str], defaults: tuple[Path, ...] = DEFAULTS
) -> Path:
    """Choose the config file: the option, else `$ANYCAST_ROUTED_CONFIG`, else the first default.

    Raises ConfigError when none is named and no default exists. A default that cannot be looked
    at counts as existing, so that `load` tells why.
    """
    if option is not None:
        return option
    if named := environ.get(VARIABLE):
        return Path(named)
    for path in defaults:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return path
        return path
    looked = " and ".join(map(str, defaults))
    message = "there is no config file"
    start = EXAMPLE if EXAMPLE.exists() else "the example in the README"
    hint = f"looked for {looked}; --config or ${VARIABLE} names another; begin with {start}"
    raise ConfigError(message, hint=hint)


def digest(path: Path) -> str:
    """Return what tells one content of the file from another; empty where `load` cannot read it."""
    try:
        return _digest(_read(path))
    except InvalidConfigError:
        return ""


def load(path: Path) -> Config:
    """Read a config file, JSON or TOML by its suffix. Raises InvalidConfigError."""
    return load_with_digest(path)[0]


def load_with_digest(path: Path) -> tuple[Config, str]:
    """Read a config file as `load` does, and return the digest of the very content that it had."""
    name = str(path)
    suffix = path.suffix.lower()
    content = _read(path)
    if suffix not in {".json", ".toml"}:
        stop(name, "has neither .json nor .toml as its suffix", "rename it after its language")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        stop(name, f"is not UTF-8 in line {line}", "save it as UTF-8")
    return loads(text, name=name, toml=suffix == ".toml"), _digest(content)


def loads(text: str, *, name: str, toml: bool) -> Config:
    """Read the text of a config file; `name` leads each line of InvalidConfigError."""
    if text.startswith("\ufeff"):
        stop(name, "starts with a byte order mark", "save it as UTF-8 without one")
    if not toml and not text.strip():
        stop(name, "is empty")
    try:
        raw = parsed_toml(text, name) if toml else parsed_json(text, name)
        if not isinstance(raw, dict):
            stop(name, "must be one object", "put it into { }")
        return _config(raw, name)
    except RecursionError:
        stop(name, "is nested far too deeply")


def _config(raw: dict[str, object], name: str) -> Config:
    normal, seed = _services(raw)
    faults = list(_form(raw))
    taken = {fault.path for fault in faults}

    def own(loc: Loc) -> str:
        """Spell a place in the operator's own file: the seed's service has none in a list."""
        return spelled(loc[2:] if seed is not None and loc[:2] == ("services", seed) else loc)

    config = None
    try:
        config = Config.model_validate(normal, by_alias=True, by_name=False)
    except ValidationError as error:
        found = [Fault(own(loc), message, hint) for loc, message, hint in explained(error)]
        faults += [fault for fault in found if fault.path not in taken]
        taken |= {fault.path for fault in found}
    for clash in clashes(normal):
        message = clash.message.format(own(clash.other))
        fault = Fault(own(clash.loc), message, clash.hint)
        faults += [fault] if fault.path not in taken else []
    if config is None or faults:
        raise InvalidConfigError(name, faults)
    return config


def _services(raw: dict[str, object]) -> tuple[dict[str, object], int | None]:
    """Give the file in the `services` form, and where in there the seed's service now stands."""
    seed = {name: raw[name] for name in ("dns", "anycast") if name in raw}
    others = raw.get("services", [])
    if not seed or not isinstance(others, list):
        return {name: value for name, value in raw.items() if name not in seed}, None
    name = "at-the-top" if others else "dns"  # both forms: refused, but not for a second "dns"
    return {
        **{name: value for name, value in raw.items() if name not in seed},
        "services": [*others, {"name": name, **seed}],
    }, len(others)


def _form(raw: dict[str, object]) -> Iterator[Fault]:
    """Find what the models cannot see: which form the file has, repeated keys, and null."""
    seed = [name for name in ("dns", "anycast") if name in raw]
    if "services" in raw and seed:
        message = f"must not stand beside {' and '.join(seed)} at the top"
        yield Fault("services", message, "move them into a service of the list, with a name")
    if "services" not in raw and not seed:
        yield Fault("services", "is missing", "write services, or dns and anycast for only one")
    waiting: list[tuple[Loc, object]] = [((), raw)]
    while waiting:
        loc, value = waiting.pop()
        if isinstance(value, Repeating):
            for key in value.repeated:
                yield Fault(spelled((*loc, key)), "stands twice", "delete one of them")
        if isinstance(value, dict):
            waiting += [((*loc, key), below) for key, below in value.items()]
        elif isinstance(value, list):
            waiting += [((*loc, number), below) for number, below in enumerate(value)]
        elif value is None:
            yield Fault(spelled(loc), "must not be null", "leave the key out")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> bytes:
    """Read a regular file; never waits for the other end of a FIFO."""
    name = str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                form = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
                stop(name, f"is {form}", "name a file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(LARGEST + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        stop(name, "does not exist", f"--config or ${VARIABLE} names another")
    except PermissionError:
        hint = "run it with sudo, or as a member of group anycast-routed"
        fault = Fault("", "may not be read by this user", hint)
        raise UnreadableConfigError(name, [fault]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        stop(name, f"cannot be read: {reason}")
    if len(content) > LARGEST:
        stop(name, f"is larger than {LARGEST // 1024 // 1024} MiB", "this cannot be a config")
    return content
