"""Write the bill of materials (CycloneDX, JSON) of wheels that stand in one folder.

The same wheels give the same bytes: the only time in it is SOURCE_DATE_EPOCH.
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

OURS = "anycast-routed"
_SPDX = {
    "License :: OSI Approved :: MIT License": "MIT",
    "ISC License": "ISC",
}
"""What metadata from before SPDX (PEP 639) says, as SPDX says it."""

_READ = {"jinja2": "BSD-3-Clause"}
"""Where the metadata says too little, what the licence file says."""


@dataclass(frozen=True)
class Wheel:
    """One wheel, and what it says of itself."""

    path: Path

    @cached_property
    def metadata(self) -> Message:
        """Its core metadata, as the packaging specifications name them."""
        with zipfile.ZipFile(self.path) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            return message_from_bytes(archive.read(name))

    @cached_property
    def name(self) -> str:
        """Its name as locks spell it."""
        return canonicalize_name(self.metadata["Name"])

    @cached_property
    def ref(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.metadata['Version']}"

    def needs(self, present: Collection[str]) -> list[str]:
        """Name what it imports, of those that are there; here, in this very Python."""
        given = map(Requirement, self.metadata.get_all("Requires-Dist", []))
        here = (one for one in given if one.marker is None or one.marker.evaluate({"extra": ""}))
        return sorted({name for one in here if (name := canonicalize_name(one.name)) in present})

    def licence(self) -> str:
        """Its licence as SPDX writes it.

        Raises:
            SystemExit: somebody has to read the licence file.
        """
        said = self.metadata
        if expression := said["License-Expression"] or _READ.get(self.name):
            return str(expression)
        given = said["License"] or ""
        for text in (given, *said.get_all("Classifier", [])):
            if text in _SPDX:
                return _SPDX[text]
        if given and "\n" not in given and " " not in given:
            return str(given)
        sys.exit(f"{self.path.name}: its metadata names no licence; read it, and add it here")

    def component(self, kind: str) -> Json:
        """Describe it as CycloneDX does."""
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
    """Describe the program and all that it carries."""
    by_name = {wheel.name: wheel for wheel in sorted(wheels, key=lambda wheel: wheel.name)}
    begun = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    ours = by_name[OURS]
    components = [w.component("library") for name, w in by_name.items() if name != OURS]
    document: Json = {
        "metadata": {"timestamp": begun.isoformat(), "component": ours.component("application")},
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
    folder, out = map(Path, sys.argv[1:])
    text = json.dumps(bill(map(Wheel, folder.glob("*.whl"))), indent=2, ensure_ascii=False)
    out.write_text(f"{text}\n", encoding="utf-8")
