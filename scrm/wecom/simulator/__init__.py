"""A WeCom of one's own: a server that behaves as the platform does, on this machine."""
