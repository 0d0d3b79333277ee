"""Health-check a DNS server and announce its anycast addresses through BIRD or FRR."""

__version__ = "0.1.0"
