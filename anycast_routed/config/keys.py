"""A walk over the keys of the sections: for messages, the JSON Schema and the README's table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args, get_origin

from pydantic.fields import FieldInfo

from anycast_routed.config.sections import Config, Section, Service, key

SEED = ("dns", "anycast")
"""The keys of a service which a file with only one service has at the top."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the section it stands in as the operator writes it, its name, and its field."""

    place: str
    name: str
    field: FieldInfo

    @property
    def path(self) -> str:
        """The whole path, such as `bgp.peers[].as`."""
        return f"{self.place}.{self.name}" if self.place else self.name


def inner(annotation: object) -> type[Section] | None:
    """Give the section that a field holds, alone, optional or in a list; None if it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(inner, get_args(annotation))), None)


def is_list(annotation: object) -> bool:
    """Tell whether a field holds a list of sections."""
    return get_origin(annotation) is tuple


def fields(section: type[Section]) -> dict[str, FieldInfo]:
    """Give the fields of a section by key, in the order of the file."""
    return {key(name): field for name, field in section.model_fields.items()}


def every() -> Iterator[Key]:
    """Walk every key of the file once: those of `dns` and `anycast` as if at the top, first."""
    for name, field in known(()).items():
        yield from _below(Key("", name, field))


def known(loc: tuple[str | int, ...]) -> dict[str, FieldInfo]:
    """Give the keys that the section at a place may have; none where there is no section."""
    section: type[Section] | None = Config
    for part in loc:
        if section is not None and isinstance(part, str):
            field = fields(section).get(part)
            section = inner(field.annotation) if field else None
    below = fields(section) if section else {}
    return {**_seed(), **below} if section is Config else below


def _seed() -> dict[str, FieldInfo]:
    return {name: fields(Service)[name] for name in SEED}


def _below(top: Key) -> Iterator[Key]:
    yield top
    section = inner(top.field.annotation)
    if section is None:
        return
    place = f"{top.path}[]" if is_list(top.field.annotation) else top.path
    for name, field in fields(section).items():
        below = Key(place, name, field)
        if section is Service and name in SEED:
            yield below
        else:
            yield from _below(below)
