"""What the daemon is measured with: a worker that computes nothing, and a bare loop for comparison."""
