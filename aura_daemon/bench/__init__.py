"""What the daemon is measured with: a worker that costs nothing, and a bare loop to compare it with."""
