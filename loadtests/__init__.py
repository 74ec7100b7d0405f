"""Load generator: whole visits played against a running service."""
