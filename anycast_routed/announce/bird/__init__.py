"""BIRD: layout, control socket, read-back and withdrawal."""
