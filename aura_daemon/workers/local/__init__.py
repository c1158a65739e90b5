"""Workers on this machine: a supervised child process for each device."""
