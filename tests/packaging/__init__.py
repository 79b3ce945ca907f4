"""What an administrator installs: the archives, the pages of the manual, the units, and what lies beside."""
