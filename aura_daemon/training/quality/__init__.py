"""What one setting of the daemon costs in quality, for `bench --levers`; what keeping the best of several gains."""
