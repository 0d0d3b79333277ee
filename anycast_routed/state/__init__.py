"""Files that outlive a process: health record, drains, journal, status, requests to the daemon."""
