"""Checks of services: one module for each kind, with `async check(config) -> CheckResult`.

A check that fails is a result, never an exception: PASS, FAIL with its reason, or UNKNOWN if the
check itself could not run. Modules named after a kind (`dns_message`, `dns_silence`, `dns_tcp`)
are its parts.
"""
