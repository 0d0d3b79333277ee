"""The daemon: tasks that replace the facts, and one loop that reconciles."""
