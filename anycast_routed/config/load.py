"""Read a config file and return its `Config`, or raise one error with every fault of the file."""

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
from anycast_routed.config.service_sections import SINGLE_SERVICE
from anycast_routed.config.syntax import Repeating, parsed_json, parsed_toml, stop
from anycast_routed.errors import ConfigError

VARIABLE = "ANYCAST_ROUTED_CONFIG"
DEFAULTS = (
    Path("/etc/anycast-routed/config.toml"),
    Path("/etc/anycast-routed/config.json"),
)
EXAMPLE = Path("/usr/share/doc/anycast-routed/examples/config.toml")
"""A config file with every key, which the Debian package installs."""
LARGEST = 16 * 1024 * 1024
"""The largest config file that is read, in octets."""


def locate(
    option: Path | None, environ: Mapping[str, str], defaults: tuple[Path, ...] = DEFAULTS
) -> Path:
    """Choose the config file: the option, else `$ANYCAST_ROUTED_CONFIG`, else the first default.

    A default in a directory that this user may not search counts as existing, so that `load`
    reports the error.

    Raises:
        ConfigError: no file is named and no default exists.
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
    start = EXAMPLE if EXAMPLE.exists() else "the example in README.md"
    hint = f"looked for {looked}; name a file with --config or ${VARIABLE}; start from {start}"
    raise ConfigError(message, hint=hint)


def digest(path: Path) -> str:
    """Return the SHA-256 of the file's content in hex; empty if `load` cannot read the file."""
    try:
        return _digest(_read(path))
    except InvalidConfigError:
        return ""


def load(path: Path) -> Config:
    """Read a config file, JSON or TOML by its suffix.

    Raises:
        InvalidConfigError: with every fault of the file.
    """
    return load_with_digest(path)[0]


def load_with_digest(path: Path) -> tuple[Config, str]:
    """Read a config file as `load` does; return its Config and the digest of the same content."""
    name = str(path)
    suffix = path.suffix.lower()
    content = _read(path)
    if suffix not in {".json", ".toml"}:
        stop(name, "has neither .json nor .toml as its suffix", "rename it to .json or .toml")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        stop(name, f"is not UTF-8 in line {line}", "save it as UTF-8")
    return loads(text, name=name, toml=suffix == ".toml"), _digest(content)


def loads(text: str, *, name: str, toml: bool) -> Config:
    """Parse the text of a config file.

    Raises:
        InvalidConfigError: with every fault; each line of the message starts with `name`.
    """
    if text.startswith("\ufeff"):
        stop(name, "starts with a byte order mark", "save it as UTF-8 without one")
    if not toml and not text.strip():
        stop(name, "is empty")
    try:
        raw = parsed_toml(text, name) if toml else parsed_json(text, name)
        if not isinstance(raw, dict):
            stop(name, "must be one object", "write it in { }")
        return _config(raw, name)
    except RecursionError:
        stop(name, "is nested too deeply")


def _config(raw: dict[str, object], name: str) -> Config:
    """Validate a file's content; collect one fault for each path.

    Raises:
        InvalidConfigError: with every fault.
    """
    normal, single = _services(raw)
    faults = list(_form(raw))
    known = {fault.path for fault in faults}

    def path(loc: Loc) -> str:
        """Return the path in the operator's file: a single service is not in a list there."""
        return spelled(loc[2:] if single is not None and loc[:2] == ("services", single) else loc)

    config = None
    try:
        config = Config.model_validate(normal, by_alias=True, by_name=False)
    except ValidationError as error:
        found = [Fault(path(loc), message, hint) for loc, message, hint in explained(error)]
        faults += [fault for fault in found if fault.path not in known]
        known |= {fault.path for fault in found}
    for clash in clashes(normal):
        message = clash.message.format(path(clash.other))
        fault = Fault(path(clash.loc), message, clash.hint)
        faults += [fault] if fault.path not in known else []
    if config is None or faults:
        raise InvalidConfigError(name, faults)
    return config


def _services(raw: dict[str, object]) -> tuple[dict[str, object], int | None]:
    """Return the file in the `services` form, and the position of a single service in that list.

    The position is None if the file has no service at the top.
    """
    single = {name: raw[name] for name in SINGLE_SERVICE if name in raw}
    rest = {name: value for name, value in raw.items() if name not in single}
    others = raw.get("services", [])
    if not single or not isinstance(others, list):
        return rest, None
    # A file with both forms is refused, but not because two services have the name "dns".
    name = "at-the-top" if others else "dns"
    return {**rest, "services": [*others, {"name": name, **single}]}, len(others)


def _form(raw: dict[str, object]) -> Iterator[Fault]:
    """Yield the faults that the models cannot see: both forms at once, repeated keys, and null."""
    single = [name for name in SINGLE_SERVICE if name in raw]
    if "services" in raw and single:
        message = f"must not be combined with {' and '.join(single)} at the top"
        yield Fault("services", message, "move them into a service of the list, with a name")
    if "services" not in raw and not single:
        hint = "write services, or dns and anycast for a single service"
        yield Fault("services", "is missing", hint)
    waiting: list[tuple[Loc, object]] = [((), raw)]
    while waiting:
        loc, value = waiting.pop()
        if isinstance(value, Repeating):
            for key in value.repeated:
                yield Fault(spelled((*loc, key)), "is repeated", "delete one of them")
        if isinstance(value, dict):
            waiting += [((*loc, key), below) for key, below in value.items()]
        elif isinstance(value, list):
            waiting += [((*loc, number), below) for number, below in enumerate(value)]
        elif value is None:
            yield Fault(spelled(loc), "must not be null", "leave the key out")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> bytes:
    """Read a regular file; never block on a FIFO."""
    name = str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                form = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
                stop(name, f"is {form}", "name a file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(LARGEST + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        stop(name, "does not exist", f"name another with --config or ${VARIABLE}")
    except PermissionError:
        hint = "run it with sudo, or as a member of group anycast-routed"
        fault = Fault("", "may not be read by this user", hint)
        raise UnreadableConfigError(name, [fault]) from None
    except OSError as error:
        stop(name, f"cannot be read: {error.strerror}")
    except ValueError:
        stop(name, "cannot be read: there is a null byte in its path")
    if len(content) > LARGEST:
        stop(name, f"is larger than {LARGEST // 1024 // 1024} MiB", "name a config file")
    return content
