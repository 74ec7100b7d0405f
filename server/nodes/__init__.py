"""Many nodes as one service: words for people at other nodes, and each visit's media at one node, by a lease."""
