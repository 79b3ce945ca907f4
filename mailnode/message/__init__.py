"""A message is its bytes plus offsets; nothing is ever re-serialised."""
