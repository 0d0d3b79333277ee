"""The demo: three DNS hosts, two routers and a client, and what the client sees when DNS dies.

`python -m anycast_routed.lab.demo` builds it in network namespaces, runs our program on the DNS
hosts as an operator does, checks what each step shows, and removes everything.
"""
