"""What a worker says to the daemon, as data that can run nothing, and what of it the daemon believes."""
