"""One cycle: observe, decide, announce."""
