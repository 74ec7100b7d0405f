"""News of rooms between nodes: over Redis pub/sub, and in memory."""
