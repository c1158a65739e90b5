"""Process boundaries: who runs a batch. Above the engines, below the daemon; only the child imports torch."""
