"""How Redis is reached: addresses, the pipe, and redis-py's client within our limits."""
