"""A lab: its hosts, its report, and its waits."""

from __future__ import annotations

import threading

import pytest

from anycast_routed.lab import (
    Lab,
    LabError,
    LabUnavailableError,
    LateError,
    eventually,
    programs,
    reports,
)

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", ["", "Dns1", "a b", "../x", "-x"])
def test_an_invalid_host_name_is_refused(lab: Lab, name: str) -> None:
    with pytest.raises(LabError):
        lab.host(name)


def test_a_second_host_with_the_same_name_is_refused(lab: Lab) -> None:
    lab.host("dns1")
    with pytest.raises(LabError, match="already"):
        lab.host("dns1")


def test_a_host_outlives_the_thread_that_made_it(lab: Lab) -> None:
    thread = threading.Thread(target=lambda: lab.host("dns1").start("sleep", "600"))
    thread.start()
    thread.join()
    (daemon,) = lab.hosts["dns1"].daemons
    with pytest.raises(LateError):
        daemon.wait(0.2)


def test_the_report_shows_logs_and_config_files(lab: Lab) -> None:
    host = lab.host("dns1")
    host.write("/etc/bird/bird.conf", "a line of the config\n")
    host.start("/bin/sh", "-c", "echo a line of the log", configs=["/etc/bird/bird.conf"]).wait(20)
    text = lab.report()
    assert "dns1/sh: ended with code 0" in text
    assert "a line of the log" in text
    assert "a line of the config" in text
    assert reports([1, "x", lab]) == text


def test_an_exception_in_a_lab_has_the_report_as_a_note() -> None:
    def fail() -> None:
        with Lab() as lab:
            lab.host("dns1").start("/bin/echo", "a line of the log").wait(20)
            raise ValueError

    with pytest.raises(ValueError, match="a line of the log") as caught:
        fail()
    assert "a line of the log" in caught.value.__notes__[0]


def test_the_error_for_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_SEARCH", "/nowhere")
    with pytest.raises(
        LabUnavailableError, match="(?s)bird is not installed.*apt-get install bird2"
    ):
        programs.find("bird")


def test_eventually_reports_the_last_value_or_exception() -> None:
    with pytest.raises(LateError, match=r"(?s)the list is full.*last value was \[\]"):
        eventually(list, within=0.05, why="the list is full")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        eventually(lambda: 1 // 0, within=0)
    assert eventually(lambda: 5, within=0) == 5
