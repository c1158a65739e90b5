"""What a worker that may only read converted models wishes of the daemon, and the process that does it."""
