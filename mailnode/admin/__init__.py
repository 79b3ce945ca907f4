"""The mailnode command and its talk with the running server."""
