"""Real sockets: people of six rooms at two nodes over one Redis, and every frame looked at; `play.py` says how."""
