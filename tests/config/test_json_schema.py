"""The JSON Schema and the reference agree with the models."""

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.config import Config
from anycast_routed.config.json_schema import reference, schema
from anycast_routed.config.keys import every, inner

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool}
TYPES |= {"integer": int, "number": int | float}


def valid(value: Any, form: dict[str, Any], root: dict[str, Any]) -> bool:  # noqa: ANN401
    """Validate with the part of JSON Schema that is used here; an unknown keyword is an error."""
    checks: dict[str, Callable[[Any], bool]] = {
        "$ref": lambda ref: valid(value, root["$defs"][ref.removeprefix("#/$defs/")], root),
        "type": lambda name: (
            isinstance(value, TYPES[name]) and isinstance(value, bool) == (name == "boolean")
        ),
        "properties": lambda below: all(
            valid(value[key], below[key], root) for key in value if key in below
        ),
        "additionalProperties": lambda _: set(value) <= set(form["properties"]),
        "required": lambda keys: set(keys) <= set(value),
        "items": lambda below: all(valid(item, below, root) for item in value),
        "anyOf": lambda forms: any(valid(value, one, root) for one in forms),
        "oneOf": lambda forms: sum(valid(value, one, root) for one in forms) == 1,
        "not": lambda one: not valid(value, one, root),
        "enum": lambda choices: value in choices,
        "pattern": lambda pattern: bool(re.search(pattern, value)),
        "minLength": lambda least: len(value) >= least,
        "maxLength": lambda most: len(value) <= most,
        "minItems": lambda least: len(value) >= least,
        "minimum": lambda least: value >= least,
        "maximum": lambda most: value <= most,
        "exclusiveMinimum": lambda least: value > least,
    }
    notes = {"$schema", "$defs", "title", "description", "default", "format"}
    return all(checks[word](given) for word, given in form.items() if word not in notes)


def accepts(raw: dict[str, Any]) -> bool:
    form: dict[str, Any] = schema()
    return valid(raw, form, form)


def test_the_anycast_dns_config_matches_the_schema(anycast_dns: dict[str, Any]) -> None:
    assert accepts(anycast_dns)


def test_the_services_form_matches_the_schema(anycast_dns: dict[str, Any]) -> None:
    service = {"name": "dns", "dns": anycast_dns.pop("dns"), "anycast": anycast_dns.pop("anycast")}
    assert accepts({**anycast_dns, "services": [service], "router": {"daemon": "bird"}})


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("dns", "ip", 1),
        ("dns", "port", 0),
        ("dns", "port", "x"),
        ("dns", "colour", 1),
        ("dns", "timeout", "5"),
        ("dns", "timeout", 0),
        ("dns", "query", "a b"),
        ("dns", "rise", 101),
        ("dns", "pulse", 1),
        ("dns", "pulse", "true"),
        ("dns", "pulse-interval", 0),
        ("dns", "half-life", -1),
        ("dns", "on-fail", "lowered"),
        ("anycast", "drain-time", -1),
        ("daemon", "on-stop", True),
        ("anycast", "prefix", ""),
        ("anycast", "localpref", "200"),
        ("anycast", "routes", [{"label": "x", "ip": "10.0.0.0/24"}]),
        ("bgp", "as", 23456),
        ("bgp", "peers", []),
        ("bgp", "peers", [{"ip": "10.0.0.1", "as": 1, "description": "a;b"}]),
        ("bgp", "peers", [{"ip": "10.0.0.1", "as": 1, "description": "a  b"}]),
        ("router", "daemon", "x"),
        ("router", "config-file", "bird.conf"),
        ("services", "x", 1),
    ],
)
def test_a_wrong_value_does_not_match_the_schema(
    anycast_dns: dict[str, Any], section: str, key: str, value: object
) -> None:
    anycast_dns.setdefault(section, {})[key] = value
    assert not accepts(anycast_dns)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("dns", "pulse", False), ("dns", "half-life", 0), ("anycast", "drain-time", "0s")],
)
def test_a_right_value_matches_the_schema(
    anycast_dns: dict[str, Any], section: str, key: str, value: object
) -> None:
    anycast_dns[section][key] = value
    assert accepts(anycast_dns)


def test_one_of_the_two_forms_is_needed(anycast_dns: dict[str, Any]) -> None:
    del anycast_dns["anycast"]
    assert not accepts(anycast_dns)


def test_the_schema_is_json_and_names_its_version() -> None:
    text = json.dumps(schema())
    assert json.loads(text)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "fast-interval" in text
    assert "fast_interval" not in json.dumps(sorted(str(key.path) for key in every()))


def test_every_reference_in_the_schema_has_a_definition() -> None:
    form: dict[str, Any] = schema()
    for name in re.findall(r'"#/\$defs/([A-Za-z]+)"', json.dumps(form)):
        assert name in form["$defs"]


def test_every_key_is_described_in_one_sentence() -> None:
    for row in reference():
        assert re.fullmatch(r"[A-Z].*[^.]\.", row.description), row
        assert row.type, row


def test_every_default_in_the_reference_is_valid() -> None:
    for key in every():
        field = key.field
        if not field.is_required() and inner(field.annotation) is None and field.default:
            assert any(row.path == key.path and row.default for row in reference())
    rows = {row.path: row for row in reference()}
    assert rows["dns.fast-interval"].default == '"100ms"'
    assert rows["dns.timeout"].type == "duration"
    assert rows["dns.port"] == ("dns.port", "port", "53", rows["dns.port"].description)
    assert rows["dns.ip"].default == "required"
    assert rows["anycast.prefix"].default == ""
    assert rows["anycast.routes[].ip"].type == "prefix"
    assert rows["anycast.routes[].localpref"].type == "number"
    assert rows["anycast.next-hop-ipv6"].type == "IPv6 address"
    assert rows["bgp.peers[].as"].type == "AS number"
    assert rows["router.daemon"].type == '"auto", "bird", "frr"'
    assert rows["services"].default == "required, or dns and anycast"
    assert rows["services"].type == "list of sections"
    assert rows["dns.pulse"][1:3] == ("boolean", "")
    assert rows["dns.half-life"][1:3] == ("duration", '"15m"')
    assert rows["dns.on-fail"][1:3] == ('"withdraw", "lower"', '"withdraw"')
    assert rows["anycast.floor"][1:3] == ("number", "0")
    assert rows["daemon.state-dir"].default == '"/var/lib/anycast-routed"'
    assert rows["daemon.run-dir"].default == '"/run/anycast-routed"'
    assert len(rows) == len(reference())


def test_the_defaults_in_the_reference_equal_the_defaults_of_the_models(
    anycast_dns: dict[str, Any],
) -> None:
    dns = {**anycast_dns["dns"]}
    for row in reference():
        if row.path.startswith("dns.") and row.default not in {"", "required"}:
            dns[row.path.removeprefix("dns.")] = json.loads(row.default)
    service = {"name": "dns", "dns": dns, "anycast": anycast_dns["anycast"]}
    plain = {"name": "dns", "dns": anycast_dns["dns"], "anycast": anycast_dns["anycast"]}
    assert Config.model_validate({"services": [service]}) == Config.model_validate(
        {"services": [plain]}
    )
