"""A process that shuts itself in: what it may read, write and ask of the kernel; Linux only."""
