"""`bench.compare` reads the printed tables of both trees and lays the figures side by side."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from bench.compare import Tree, jobs, rows
from bench.printed_tables import Figure, read_apply, read_failover

if TYPE_CHECKING:
    from pathlib import Path

FAILOVER = """\
2 cores, x86_64, Linux 6.18, Debian GNU/Linux 12 (bookworm), Python 3.11.7

Milliseconds from the fault to the last prefix's WITHDRAW at the peer

| case | n | min | median | p95 | max | aim | back: median | max |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| BIRD: killed | 20 | 4.5 | 6.1 | 7.6 | 8.2 | 10 (p95 20) | 202 | 253 |
| FRR: SERVFAIL | 20 | 189 | 243 | 1,285 | 1,292 |  | 422 | 499 |
| BIRD: killed, saturated | 20 | 4.2 | 6.0 | 10 | 10 | 30 | 188 | 231 |

Beside the floor: median (min / p95)

| router | floor | ours | ours / floor |
| --- | ---: | ---: | ---: |
| BIRD | 2.8 (2.5 / 6.1) | 6.1 (4.5 / 7.6) | 2.2 |

Milliseconds from the daemon's start to the last announcement: median (min / p95)

| router | sessions up | from nothing |
| --- | ---: | ---: |
| BIRD | 515 (417 / 519) | 1,472 (1,380 / 1,569) |
| FRR | - | 902 (881 / 921) |

Idle

| router | CPU s/min | RSS MiB |
| --- | ---: | ---: |
| BIRD | 0.39 | 55 |

20 runs of a case, --seed 1, 959 s in all
"""
APPLY = """\
No-op
                        apply     bare imports        ratio          its CPU     imports' CPU
----------  -----------------  ---------------  -----------  ---------------  ---------------
bird no-op  1,367 (322 / 436)  366 (346 / 495)  1.00 (0.93)  365 (321 / 434)  365 (345 / 494)
frr no-op    8.2 (350 / 511)   372 (323 / 416)  1.14 (1.08)  420 (348 / 509)  370 (323 / 415)

One changed prefix
bird 1 LocalPref              333 (324 / 378)        319 (311 / 362)  4.7 (4.6 / 5.7)
"""


def test_the_latencies_and_starts_are_read_from_the_output_of_failover() -> None:
    assert read_failover(FAILOVER) == {
        "BIRD: killed": Figure(6.1, 7.6),
        "FRR: SERVFAIL": Figure(243, 1285),
        "BIRD: start to announced, sessions up": Figure(515, 519),
        "BIRD: start to announced, from nothing": Figure(1472, 1569),
        "FRR: start to announced, from nothing": Figure(902, 921),
    }


def test_the_no_op_is_read_from_the_output_of_apply() -> None:
    assert read_apply(APPLY) == {
        "BIRD: no-op apply, wall": Figure(1367, 436),
        "BIRD: no-op apply, CPU": Figure(365, 434),
        "FRR: no-op apply, wall": Figure(8.2, 511),
        "FRR: no-op apply, CPU": Figure(420, 509),
    }


@pytest.mark.parametrize("text", ["", "FAILED: no such command", "| case | median |\n"])
def test_an_output_without_figures_gives_none(text: str) -> None:
    assert not read_failover(text)
    assert not read_apply(text)


def test_a_row_has_both_trees_their_ratio_and_the_larger_noise() -> None:
    other = {"killed": [Figure(10, 20), Figure(12, 40), Figure(11, 30)], "hung": [Figure(90, 95)]}
    this = {"killed": [Figure(22, 50), Figure(22, 50), Figure(22, 50)]}
    assert rows(other, this) == [
        ["killed", "11.0 (30.0)", "22.0 (50.0)", "2.00", "18%"],
        ["hung", "90.0 (95.0)", "-", "-", "-"],
    ]


def test_one_round_has_no_noise() -> None:
    one = {"start": [Figure(1234.5, 1500)]}
    assert rows(one, one) == [["start", "1,234 (1,500)", "1,234 (1,500)", "1.00", "-"]]


def test_each_router_has_one_job_of_each_program() -> None:
    options = Namespace(router=["bird", "frr"], runs=5, starts=2)
    found = [(job.program, job.router) for job in jobs(options)]
    assert found == [
        ("failover", "bird"),
        ("apply", "bird"),
        ("failover", "frr"),
        ("apply", "frr"),
    ]


def test_a_tree_without_its_own_installation_is_refused(tmp_path: Path) -> None:
    assert "cannot import anycast_routed" in str(Tree(tmp_path).fault())
    (tmp_path / ".venv").symlink_to(sys.prefix)
    assert "from another tree" in str(Tree(tmp_path).fault())
