"""What the router and systemd need once: files, users and units."""
