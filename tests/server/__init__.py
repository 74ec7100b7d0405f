"""The shell: each module of `server/`, and the adapters behind its ports."""
