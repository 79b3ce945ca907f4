"""What other hosts say of the mail that comes: whether a domain lets a host send in its name."""
