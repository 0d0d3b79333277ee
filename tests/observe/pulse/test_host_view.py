"""The search for processes takes turns with the probes."""

import os

import pytest

from anycast_routed.observe.pulse import host_view


def test_a_search_of_thousands_of_processes_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_view, "all_pids", lambda: iter([os.getpid()] * 5000))
    host = host_view.HostView([53])
    host.start_search({1: 1 << 60})
    turns = 1
    while (found := host.continue_search()) is None:
        turns += 1
        assert host.owners() == {}
    assert turns >= 5
    assert not host.searching
    assert found == {1: set()}
    assert host.members(1 << 60) == ()
