"""Measures mailnode beside its peers: same work, same files, same client, one run."""
