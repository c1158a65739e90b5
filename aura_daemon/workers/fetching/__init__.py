"""Models from the hub, fetched by a process that reads nothing of strangers, for workers that reach nobody."""
