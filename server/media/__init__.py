"""The media plane: browsers' encoded packets are forwarded to one another, never decoded and never encoded."""
