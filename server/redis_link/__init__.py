"""How Redis is reached: what the store and the bus share, and nobody else imports."""
