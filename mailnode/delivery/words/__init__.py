"""What reports say to people, in each language that there is."""
