"""The web: HTTP pages and API, and the WebSocket."""
