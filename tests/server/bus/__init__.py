"""The bus: news between nodes, in memory and over pub/sub."""
