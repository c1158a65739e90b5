"""The commands: the only code that prints. A file a command, imported when the command is called."""
