"""The daemon: it repeats the reconcile cycle."""
