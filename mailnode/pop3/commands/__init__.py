"""One module for each group of POP3 commands."""
