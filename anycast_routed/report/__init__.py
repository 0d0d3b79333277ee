"""What people and programs are told: read values, decide nothing."""
