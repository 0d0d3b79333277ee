"""Texts of problems: complete, line by line, and without terminal escapes."""

from __future__ import annotations

from anycast_routed.report.findings import lines, of_problem
from anycast_routed.report.text import safe


def test_a_problem_is_shown_with_all_its_lines() -> None:
    remedy = "x" * 300 + "; write 1s"
    assert lines([of_problem("config", f"one fault\n\x1b[2J{remedy}")]) == [
        "! config problem: one fault [AR052]",
        f"    \\x1b[2J{remedy}",
    ]


def test_an_untrusted_text_is_one_line_and_clipped() -> None:
    assert safe("a\nb") == "a\\nb"
    assert safe("x" * 300) == "x" * 200 + "..."
    assert safe("x" * 300, most=300) == "x" * 300
