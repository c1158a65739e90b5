"""Shares of SMB and NFS in a machine of their own: the daemon as client, and beside the server.

`make share-check` boots user-mode Linux: servers, clients, users and mounts are its own.
"""
