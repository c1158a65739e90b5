"""`bench`: what this machine and this disk can do."""
