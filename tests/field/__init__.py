"""What people of the neighbouring programs have and do: one small input for each public report (see README.md)."""
