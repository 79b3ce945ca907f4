"""Clients that cost little, so that servers are what is measured."""
