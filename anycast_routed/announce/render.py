"""Render router config from a plan's layout with jinja2: same input, same text, byte for byte.

`fingerprint` describes the first line of a rendering.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anycast_routed.announce import fingerprint
from anycast_routed.announce.masking import masked
from anycast_routed.errors import ConfigError
from anycast_routed.password import Password, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jinja2 import Environment

_PLACE = "\0{}\0"  # stands for a password until the text is laid out; no config has a NUL
_COMMENT = {"bird": "#", "frr": "!"}  # what begins a comment in that router's language
_HINT = "compare it with the template we ship"


def load() -> None:
    """Load jinja2 and our templates now, for a process that keeps running.

    The daemon must not wait for jinja2 at its first change. After an upgrade, it must not use the
    template of another version than its own.
    """
    import jinja2.sandbox  # noqa: F401, PLC0415 - see above

    for speaker in _COMMENT:
        _shipped(_file_name(speaker))


class Renderer:
    """Renders `<speaker>.conf.j2`, from the operator's directory before the one we ship."""

    def __init__(
        self,
        speaker: str,
        template_dir: Path | None = None,
        structure: Callable[[str], str] = str,
    ) -> None:
        """`structure` returns the part of a text of which `fingerprint` is the digest."""
        self._speaker = speaker
        self._structure = structure
        self._name = _file_name(speaker)
        self._directory = template_dir

    def render(self, variables: Mapping[str, object], current: str | None = None) -> str:
        """Return the whole text; `current` itself if it is intact and made from the same input.

        Raises:
            ConfigError: the template (most likely the operator's own) is wrong.
        """
        passwords = _passwords(variables)
        inputs = repr((self._source(), sorted(variables.items()), [*map(_revealed, passwords)]))
        made_from = fingerprint.compute(inputs, current, has_passwords=bool(passwords))
        if current is not None and fingerprint.of(current) == made_from:
            return current
        place = secrets.token_hex(8)
        laid_out = self._filled({**variables, "fingerprint": place}, passwords)
        digest = fingerprint.digest(self._structure(laid_out).replace(place, ""), made_from.key)
        body = laid_out.replace(place, digest)
        return fingerprint.header(_COMMENT[self._speaker], made_from, body) + body

    def _source(self) -> str:
        if self._directory is not None:
            path = self._directory / self._name
            with contextlib.suppress(FileNotFoundError):
                return _read(path)
        source = _shipped(self._name)
        if source is None:
            message = f"our own template {self._name} is missing"
            raise ConfigError(message, hint="reinstall anycast-routed")
        return source

    @cached_property
    def _environment(self) -> Environment:
        import jinja2.sandbox  # noqa: PLC0415 - 50 ms that a run without changes saves

        shipped = jinja2.FunctionLoader(_shipped)
        own = [jinja2.FileSystemLoader(self._directory)] if self._directory else []
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
        """Lay out the text, then put the passwords where the template has them.

        Raises:
            ConfigError: a password would stand where `masking` does not find it.
        """
        token = secrets.token_hex(16)
        full = body = self._body(_with_stand_ins(variables, token))
        shown = body
        for one in passwords:
            place = _PLACE.format(one.file)
            shown, full = shown.replace(place, token), full.replace(place, one.reveal())
        if token in body or masked(full) != masked(shown):
            message = f"{self._name} has a password elsewhere than as it is behind `password`"
            raise ConfigError(message, hint=_HINT)
        return full

    def _body(self, variables: Mapping[str, object]) -> str:
        import jinja2  # noqa: PLC0415 - as above

        try:
            return self._environment.get_template(self._name).render(variables)
        except jinja2.TemplateSyntaxError as error:
            message = f"{error.filename or self._name}:{error.lineno}: {error.message}"
            raise ConfigError(message, hint=_HINT) from error
        except Exception as error:
            # A template can fail like any program.
            message = f"{self._name} cannot be rendered: {type(error).__name__}: {error}"
            raise ConfigError(message, hint=_HINT) from error


def _passwords(variables: Mapping[str, object]) -> tuple[Password, ...]:
    peers = variables.get("peers", ())
    assert isinstance(peers, tuple)  # nosec B101  # noqa: S101 - both layouts make it so
    found = (getattr(peer, "password", None) for peer in peers)
    passwords = tuple(one for one in found if one is not None)
    if not all(passwords):  # The session would come up without one.
        message = "a password was not read"
        raise ConfigError(message)
    return passwords


def _with_stand_ins(variables: Mapping[str, object], token: str) -> Mapping[str, object]:
    """Replace each password by one that a template can print only in its place, or as `token`."""

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
    """Return a placeholder for a password that a template prints as it is."""
    return _PLACE.format(value.file) if isinstance(value, Password) else value


def template_files(directory: Path | None) -> tuple[Path, ...]:
    """Return the template of each router in an operator's directory; none without one."""
    return tuple(directory / _file_name(router) for router in _COMMENT) if directory else ()


def _file_name(speaker: str) -> str:
    return f"{speaker}.conf.j2"


@cache
def _shipped(name: str) -> str | None:
    """Return one of our templates, as it was at the first call: the one of this version."""
    # In the wheel the templates stand inside the package, in a checkout next to it.
    package = Path(__file__).parent.parent
    inside = package / "templates"
    directory = inside if inside.is_dir() else package.parent / "templates"
    if name in map(_file_name, _COMMENT):
        with contextlib.suppress(FileNotFoundError):
            return _read(directory / name)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the template {path}: {error}"
        raise ConfigError(message) from error
