"""The sizes of BIRD's tables, from its answer to `show protocols all`. Pure."""

from anycast_routed.announce.bird.exact import table_sizes
from anycast_routed.announce.bird.socket import Reply

SHOWN = """\
2002-Name       Proto      Table      State  Since         Info
1002-feed       BGP        ---        up     22:22:01.479  Established
1006-  BGP state:          Established
   Channel ipv4
     State:          UP
     Table:          master4
     Output filter:  REJECT
     Routes:         300000 imported, 5 filtered, 0 exported, 300000 preferred
     BGP Next hop:   172.17.2.1
     IGP IPv4 table: master4
   Channel ipv6
     Table:          master6
     Routes:         7 imported, 300002 exported, 7 preferred

1002-pipe1      Pipe       ---        up     22:22:01.479  master4 <=> other4
1006-  Channel main
     State:          UP
     Table:          master4
     Peer table:     other4
     Routes:         20 imported, 300000 exported

1002-anycast__1 Static     other4     up     22:22:01.479
1006-  Channel ipv4
     Table:          other4
     Routes:         1 imported, 0 exported, 1 preferred

0000
"""


def test_a_table_has_what_its_protocols_import_and_a_pipe_copies() -> None:
    assert table_sizes(Reply(0, SHOWN)) == {"master4": 300_020, "master6": 7, "other4": 300_001}
