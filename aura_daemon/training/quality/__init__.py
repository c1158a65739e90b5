"""What one setting of the daemon costs in quality, for `bench --levers`."""
