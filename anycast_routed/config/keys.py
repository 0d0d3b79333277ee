"""List the keys of the sections, for messages, the JSON Schema and docs/config.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args, get_origin

from pydantic.fields import FieldInfo

from anycast_routed.config.section import Section, key
from anycast_routed.config.sections import Config
from anycast_routed.config.service_sections import SINGLE_SERVICE, Service


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its name, its field, and the path of its section, such as `bgp.peers[]`."""

    place: str
    name: str
    field: FieldInfo

    @property
    def path(self) -> str:
        """Return the whole path, such as `bgp.peers[].as`."""
        return f"{self.place}.{self.name}" if self.place else self.name


def inner(annotation: object) -> type[Section] | None:
    """Return the section that a field has, alone, optional or in a list; None if it has none."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(inner, get_args(annotation))), None)


def is_list(annotation: object) -> bool:
    """Return whether a field has a list of sections."""
    return get_origin(annotation) is tuple


def fields(section: type[Section]) -> dict[str, FieldInfo]:
    """Return the fields of a section by key, in the order of the file."""
    return {key(name): field for name, field in section.model_fields.items()}


def every() -> Iterator[Key]:
    """Yield every key of the file once: first those of `dns` and `anycast`, as if at the top."""
    for name, field in known(()).items():
        yield from _below(Key("", name, field))


def known(loc: tuple[str | int, ...]) -> dict[str, FieldInfo]:
    """Return the keys that the section at this location may have; none if it is no section."""
    section: type[Section] | None = Config
    for part in loc:
        if section is not None and isinstance(part, str):
            field = fields(section).get(part)
            section = inner(field.annotation) if field else None
    below = fields(section) if section else {}
    return {**_single_service(), **below} if section is Config else below


def _single_service() -> dict[str, FieldInfo]:
    return {name: fields(Service)[name] for name in SINGLE_SERVICE}


def _below(top: Key) -> Iterator[Key]:
    yield top
    section = inner(top.field.annotation)
    if section is None:
        return
    path = f"{top.path}[]" if is_list(top.field.annotation) else top.path
    for name, field in fields(section).items():
        below = Key(path, name, field)
        if section is Service and name in SINGLE_SERVICE:
            yield below
        else:
            yield from _below(below)
