"""Write the software bill of materials (CycloneDX, JSON) of the wheels in a directory.

    packaging/sbom.py DIRECTORY OUT_FILE

The same wheels give the same bytes: the only time in the document is SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import uuid
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from email.message import Message

Json = dict[str, object]

PROGRAM = "anycast-routed"
_SPDX = {
    "License :: OSI Approved :: MIT License": "MIT",
    "ISC License": "ISC",
}
"""SPDX identifiers for the licence names in metadata older than PEP 639."""

_FROM_LICENCE_FILE = {"jinja2": "BSD-3-Clause"}
"""Licences read from the licence file, because the metadata does not name them."""


@dataclass(frozen=True)
class Wheel:
    """One wheel and its metadata."""

    path: Path

    @cached_property
    def metadata(self) -> Message:
        """The core metadata of the wheel (packaging.python.org, "Core metadata specifications")."""
        with zipfile.ZipFile(self.path) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            return message_from_bytes(archive.read(name))

    @cached_property
    def name(self) -> str:
        """The normalised name, as in the lock."""
        return canonicalize_name(self.metadata["Name"])

    @cached_property
    def ref(self) -> str:
        """The package URL."""
        return f"pkg:pypi/{self.name}@{self.metadata['Version']}"

    def needs(self, present: Collection[str]) -> list[str]:
        """Return the names in `present` that this wheel depends on, for the running Python."""
        dependencies = set()
        for requirement in map(Requirement, self.metadata.get_all("Requires-Dist", [])):
            name = canonicalize_name(requirement.name)
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if applies and name in present:
                dependencies.add(name)
        return sorted(dependencies)

    def licence(self) -> str:
        """Return the licence as an SPDX expression.

        Raises:
            SystemExit: the metadata does not name the licence.
        """
        metadata = self.metadata
        if expression := metadata["License-Expression"] or _FROM_LICENCE_FILE.get(self.name):
            return str(expression)
        licence = metadata["License"] or ""
        for text in (licence, *metadata.get_all("Classifier", [])):
            if text in _SPDX:
                return _SPDX[text]
        if licence and "\n" not in licence and " " not in licence:
            return str(licence)
        sys.exit(
            f"{self.path.name}: the metadata names no licence; read the licence file of the wheel "
            "and add the licence to _FROM_LICENCE_FILE in packaging/sbom.py"
        )

    def component(self, kind: str) -> Json:
        """Return the wheel as a CycloneDX component. `kind` is "application" or "library"."""
        licence = self.licence()
        single = {"license": {"id": licence}}
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        return {
            "type": kind,
            "bom-ref": self.ref,
            "name": self.name,
            "version": self.metadata["Version"],
            "description": self.metadata["Summary"],
            "hashes": [{"alg": "SHA-256", "content": digest}],
            "licenses": [{"expression": licence} if " " in licence else single],
            "purl": self.ref,
        }


def bill(wheels: Iterable[Wheel]) -> Json:
    """Return the bill of materials of the program and its libraries as a JSON document."""
    by_name = {wheel.name: wheel for wheel in sorted(wheels, key=lambda wheel: wheel.name)}
    date = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    program = by_name[PROGRAM]
    components = [w.component("library") for name, w in by_name.items() if name != PROGRAM]
    document: Json = {
        "metadata": {"timestamp": date.isoformat(), "component": program.component("application")},
        "components": components,
        "dependencies": [
            {"ref": wheel.ref, "dependsOn": [by_name[name].ref for name in wheel.needs(by_name)]}
            for wheel in by_name.values()
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document))
    head = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial.urn,
        "version": 1,
    }
    return {**head, **document}


if __name__ == "__main__":
    directory, out = map(Path, sys.argv[1:])
    text = json.dumps(bill(map(Wheel, directory.glob("*.whl"))), indent=2, ensure_ascii=False)
    out.write_text(f"{text}\n", encoding="utf-8")
