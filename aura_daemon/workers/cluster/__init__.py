"""Workers on a Ray cluster: a slot of the daemon is an actor on some node."""
