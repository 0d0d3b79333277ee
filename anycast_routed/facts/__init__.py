"""What is known now; the clock is passed in."""
