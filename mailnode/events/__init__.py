"""What happens to messages and mailboxes, as values, published once."""
