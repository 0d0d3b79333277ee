"""What `setup` installs for the router and systemd: files, users and units."""
