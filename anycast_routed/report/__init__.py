"""Reports for people and programs: they read values and decide nothing."""
