"""One running node, without a process: its settings, its events, its verbs, and the object that holds all parts.

Knows `swarm` and everything below; is known by `api`, the daemon and the command line. Nothing here speaks a protocol.
"""
