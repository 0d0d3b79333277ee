"""FRR: layout, vtysh, running config, read-back and withdrawal."""
