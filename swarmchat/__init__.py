"""swarmchat: a peer-to-peer swarm chat node; every conversation is a git repository that each member holds whole."""

__version__ = "0.1.0"
