"""Which processes a cgroup has, and which cgroups are left out."""

from pathlib import Path

from anycast_routed.lab import Host
from anycast_routed.observe.pulse.cgroups import members


def test_the_members_of_a_cgroup_and_none_of_its_parent(host: Host, cgroup: Path) -> None:
    daemon = host.start("/bin/sleep", "60")
    (cgroup / "cgroup.procs").write_text(str(daemon.pid))
    own, parent = cgroup.stat().st_ino, cgroup.parent.stat().st_ino
    *_, found = members({own, parent, 0, 1 << 60})
    assert found is not None
    assert {one: pids for one, pids in found.items() if pids} == {own: [daemon.pid]}
    daemon.kill()
