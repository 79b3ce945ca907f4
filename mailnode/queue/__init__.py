"""Messages that wait for their time: the spool on the disk, and what takes them out of it."""
