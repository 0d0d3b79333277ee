"""No module and no function is so long that it does more than one job."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_LINES = 250
MOST_LINES_OF_A_FUNCTION = 40


def sources() -> Iterator[Path]:
    """Yield the program, the lab, the benchmarks, and the helpers of the tests."""
    for directory in ("anycast_routed", "bench", "packaging", "tests/support"):
        yield from (ROOT / directory).rglob("*.py")


def is_test(path: Path) -> bool:
    return path.name.startswith("test_")


def test_every_module_is_short() -> None:
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in sources()}
    assert not {
        str(path.relative_to(ROOT)): count
        for path, count in lines.items()
        if count > MOST_LINES and not is_test(path)
    }


def test_every_function_is_short() -> None:
    assert not {
        f"{path.relative_to(ROOT)}: {node.name}": node.end_lineno - node.lineno + 1
        for path in sources()
        if not is_test(path)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno
        and node.end_lineno - node.lineno >= MOST_LINES_OF_A_FUNCTION
    }
