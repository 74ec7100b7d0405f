"""The heart: call control, pure and without I/O. It decides; `server/` does."""
