"""Nodes, rooms and browsers in one process, under every order of events; `walk.py` says how to play them again."""
