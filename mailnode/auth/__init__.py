"""Who may log in, and what they get: passwords, checkers, the realm, SASL."""
