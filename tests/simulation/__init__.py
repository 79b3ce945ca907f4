"""Several servers and a small Internet on one clock, all from one number: see world.py."""
