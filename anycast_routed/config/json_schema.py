"""Describe the config file: a JSON Schema for editors, and the key table of docs/config.md."""

import json
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo

from anycast_routed.config.keys import every, fields, inner, is_list, known
from anycast_routed.config.section import Section
from anycast_routed.config.sections import Config
from anycast_routed.config.service_sections import SINGLE_SERVICE
from anycast_routed.config.values import Value, spelled

_FORMS = {
    **dict.fromkeys(SINGLE_SERVICE, "required, or services"),
    "services": f"required, or {' and '.join(SINGLE_SERVICE)}",
}


class Row(NamedTuple):
    """One row of the reference: a key, its type, its default as in the file, and its meaning."""

    path: str
    type: str
    default: str
    """Empty for an optional key without a default; `required` for a key that the file must have."""
    description: str


def reference() -> list[Row]:
    """Return a row for every key, in the order of the file."""
    return [
        Row(
            key.path,
            _type(key.field),
            _FORMS.get(key.path) or _default(key.field),
            key.field.description or "",
        )
        for key in every()
    ]


def schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the file.

    It accepts all files that `load` accepts, and more: only `load` checks rules between keys.
    """
    sections = [inner(key.field.annotation) for key in every()]
    top = _object(Config)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "anycast-routed",
        **top,
        "properties": {name: _field(field) for name, field in known(()).items()},
        "required": [],
        "oneOf": [
            {"required": list(SINGLE_SERVICE), "not": {"required": ["services"]}},
            {
                "required": ["services"],
                "not": {"anyOf": [{"required": [name]} for name in SINGLE_SERVICE]},
            },
        ],
        "$defs": {section.__name__: _object(section) for section in sections if section},
    }


def _object(section: type[Section]) -> dict[str, Any]:
    below = fields(section)
    return {
        "type": "object",
        "description": " ".join((section.__doc__ or "").split()),
        "properties": {name: _field(field) for name, field in below.items()},
        "required": [name for name, field in below.items() if field.is_required()],
        "additionalProperties": False,
    }


def _field(field: FieldInfo) -> dict[str, object]:
    section = inner(field.annotation)
    value = _value(field)
    form: dict[str, object]
    if section is not None:
        form = {"$ref": f"#/$defs/{section.__name__}"}
        if is_list(field.annotation):
            form = {"type": "array", "items": form, "minItems": int(field.is_required())}
    else:
        form = dict(value.schema) if value else {"enum": list(get_args(field.annotation))}
    default = _plain(field)
    shown = {} if default is None else {"default": default}
    return {**form, "description": field.description or "", **shown}


def _value(field: FieldInfo) -> Value | None:
    """Return the kind of value of a field: pydantic keeps it in the metadata or inside the type."""
    parts = [*field.metadata, *(part for arm in get_args(field.annotation) for part in _meta(arm))]
    return next((part for part in parts if isinstance(part, Value)), None)


def _meta(annotation: object) -> tuple[object, ...]:
    return getattr(annotation, "__metadata__", ())


def _type(field: FieldInfo) -> str:
    if inner(field.annotation):
        return "list of sections" if is_list(field.annotation) else "section"
    if get_origin(field.annotation) is Literal:
        return ", ".join(f'"{choice}"' for choice in get_args(field.annotation))
    value = _value(field)
    return value.name if value else ""


def _plain(field: FieldInfo) -> str | int | None:
    """Return the default as the file would have it; None if there is none to show."""
    default = None if field.is_required() else field.default
    if isinstance(default, float):
        return spelled(default)
    if isinstance(default, int):
        return default
    return None if default is None or inner(field.annotation) else str(default)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = _plain(field)
    return "" if default is None else json.dumps(default)
