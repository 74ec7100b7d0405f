"""The shell: sockets, stores, media and billing around the pure heart in `signaling/`."""
