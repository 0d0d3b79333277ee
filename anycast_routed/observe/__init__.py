"""Observe this host: DNS servers, interfaces and addresses, and files."""
