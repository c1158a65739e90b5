"""Who runs the jobs, as configured."""
