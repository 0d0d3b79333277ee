"""The demo: three DNS hosts, two routers and a client that sees DNS servers fail over.

`python -m anycast_routed.lab.demo` builds the site in network namespaces, runs anycast-routed on
the DNS hosts like an operator, checks the result of each step, and removes everything.
"""
