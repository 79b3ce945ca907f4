"""One module for each group of SMTP commands."""
