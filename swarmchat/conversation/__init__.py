"""What a conversation is, and its law. (SCP-02)

Pure: whether a commit is valid, and what it changes, depends on the commit and its ancestors only. Nothing here reads a
clock, throws dice, touches a disk or logs; everything hostile becomes a `Rejection`, a value. Knows `crypto` and the names
of things; is known by everybody above.
"""
