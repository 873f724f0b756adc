"""Plan and session: the only room that knows all the others."""
