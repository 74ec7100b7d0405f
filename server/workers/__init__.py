"""Several processes as one service: a parent with the port and the embedded server, and workers, each a node."""
