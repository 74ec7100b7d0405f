"""Many nodes as one service."""
