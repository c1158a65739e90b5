"""`python -m aura_daemon` is `aura-daemon`."""

from aura_daemon.cli.entry import main

if __name__ == "__main__":
    main()
