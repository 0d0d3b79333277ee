"""Router config from a plan's layout, with jinja2: same input, same text, byte for byte.

The first line of a rendering says what it was made from and what it must read, so that an intact
file is known to be up to date without rendering it again (and without loading jinja2, which a
run that changes nothing has no other use for).

With passwords in it, it says so by digests with a key. A digest of theirs without one could be
tried out offline by everyone who sees it, and BIRD tells the one in `anycast_routed_loaded` to all
who may ask it something. The key is random, and stands in that first line only: who can read it
can read the passwords below it, so it needs no keeping of its own. It is taken over from the
file's latest text, so that an unchanged password is no new text; where that is lost, as after a
boot, the new one costs a reload, which touches no session.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anycast_routed.announce.masking import masked
from anycast_routed.errors import ConfigError
from anycast_routed.password import Password, StandIn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment

_DIGITS = 16  # hex digits of a digest: 64 bits tell texts apart, nobody attacks them here
_HEADER = re.compile(
    r"^[#!] anycast-routed inputs=([0-9a-f]+) text=([0-9a-f]+)(?: key=([0-9a-f]{32}))?\n"
)
_PLACE = "\0{}\0"  # stands for a password until the text is laid out; no config has a NUL
_COMMENT = {"bird": "#", "frr": "!"}  # what starts a comment in that router's language


def load() -> None:
    """Load jinja2 and our templates now, for a process that stays.

    It must not wait for jinja2 at its first change, nor take the template of another version,
    which an upgrade may have put in the place of its own.
    """
    import jinja2.sandbox  # noqa: F401, PLC0415 - see above

    for speaker in _COMMENT:
        _shipped(_file_name(speaker))


class Renderer:
    """Renders `<speaker>.conf.j2`, from the operator's folder before the one we ship."""

    def __init__(self, speaker: str, template_dir: Path | None = None) -> None:
        self._speaker = speaker
        self._name = _file_name(speaker)
        self._folder = template_dir

    def render(self, variables: Mapping[str, object], current: str | None = None) -> str:
        """Return the whole text. `current` comes back as it is when it is intact and the same.

        Raises:
            ConfigError: the template (the operator's own, most likely) is wrong.
        """
        passwords = _passwords(variables)
        header = _HEADER.match(current or "")
        key = ((header and header.group(3)) or secrets.token_hex(16)) if passwords else ""
        source = repr((self._source(), sorted(variables.items()), [*map(_revealed, passwords)]))
        inputs = _digest(source, key)
        if current is not None and _describes(current) == (inputs, key):
            return current
        body = self._filled({**variables, "fingerprint": inputs}, passwords)
        facts = f"inputs={inputs} text={_digest(body, key)}" + (f" key={key}" if key else "")
        return f"{_COMMENT[self._speaker]} anycast-routed {facts}\n{body}"

    def _source(self) -> str:
        if self._folder is not None:
            path = self._folder / self._name
            with contextlib.suppress(FileNotFoundError):
                return _read(path)
        source = _shipped(self._name)
        if source is None:
            message = f"our own template {self._name} is missing"
            raise ConfigError(message, hint="reinstall anycast-routed")
        return source

    @cached_property
    def _environment(self) -> Environment:
        import jinja2.sandbox  # noqa: PLC0415 - 50 ms that a run which changes nothing can save

        shipped = jinja2.FunctionLoader(_shipped)
        own = [jinja2.FileSystemLoader(self._folder)] if self._folder else []
        return jinja2.sandbox.ImmutableSandboxedEnvironment(
            loader=jinja2.ChoiceLoader([*own, shipped]),
            undefined=jinja2.StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=_placed,
        )

    def _filled(self, variables: Mapping[str, object], passwords: Sequence[Password]) -> str:
        """Lay out, and then put the passwords where the template has them.

        Raises:
            ConfigError: one of them would stand where we would not know it again, and mask it.
        """
        token = secrets.token_hex(16)
        full = body = self._body(_with_stand_ins(variables, token))
        shown = body
        for one in passwords:
            place = _PLACE.format(one.file)
            shown, full = shown.replace(place, token), full.replace(place, one.reveal())
        if token in body or masked(full) != masked(shown):
            message = f"{self._name} has a password elsewhere than as it is behind `password`"
            raise ConfigError(message, hint="compare it with the template we ship")
        return full

    def _body(self, variables: Mapping[str, object]) -> str:
        import jinja2  # noqa: PLC0415 - as above

        try:
            return self._environment.get_template(self._name).render(variables)
        except jinja2.TemplateSyntaxError as error:
            message = f"{error.filename or self._name}:{error.lineno}: {error.message}"
            raise ConfigError(message, hint="compare it with the template we ship") from error
        except Exception as error:
            # A template can fail as any program can.
            message = f"{self._name} cannot be rendered: {type(error).__name__}: {error}"
            raise ConfigError(message, hint="compare it with the template we ship") from error


def _describes(text: str) -> tuple[str, str] | None:
    """Return the digest of the inputs that an intact rendering was made from, and its key."""
    header = _HEADER.match(text)
    key = (header and header.group(3)) or ""
    if header is None or _digest(text[header.end() :], key) != header.group(2):
        return None
    return header.group(1), key


def _digest(text: str, key: str = "") -> str:
    content = text.encode("utf-8", "surrogateescape")
    if not key:
        return hashlib.sha256(content).hexdigest()[:_DIGITS]
    return hmac.new(key.encode("ascii"), content, "sha256").hexdigest()[:_DIGITS]


def _passwords(variables: Mapping[str, object]) -> tuple[Password, ...]:
    peers = variables.get("peers", ())
    assert isinstance(peers, tuple)  # nosec B101  # noqa: S101 - both routers' layouts have it so
    found = (getattr(peer, "password", None) for peer in peers)
    passwords = tuple(one for one in found if one is not None)
    if not all(passwords):  # The session would come up without one.
        message = "a password was not read"
        raise ConfigError(message)
    return passwords


def _with_stand_ins(variables: Mapping[str, object], token: str) -> Mapping[str, object]:
    """Have passwords that a template can only print in their place, or as this token."""

    def stood_in(peers: tuple[Any, ...]) -> tuple[object, ...]:
        return tuple(
            replace(one, password=StandIn(one.password, token)) if one.password else one
            for one in peers
        )

    changed: dict[str, Any] = dict(variables)
    changed["peers"] = stood_in(changed.get("peers", ()))
    if sessions := changed.get("sessions"):
        changed["sessions"] = replace(sessions, peers=stood_in(sessions.peers))
    return changed


def _revealed(password: Password) -> tuple[str, str]:
    return str(password.file), password.reveal()


def _placed(value: object) -> object:
    """Have a place for a password that a template prints as it is."""
    return _PLACE.format(value.file) if isinstance(value, Password) else value


def _file_name(speaker: str) -> str:
    return f"{speaker}.conf.j2"


@cache
def _shipped(name: str) -> str | None:
    """Return a template of ours, as it was at the first call: the one that this version fits."""
    # In the wheel the templates stand inside the package, in a checkout beside it.
    package = Path(__file__).parent.parent
    inside = package / "templates"
    folder = inside if inside.is_dir() else package.parent / "templates"
    if name in map(_file_name, _COMMENT):
        with contextlib.suppress(FileNotFoundError):
            return _read(folder / name)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the template {path}: {error}"
        raise ConfigError(message) from error
