"""Keys, certificates, signatures and seals: bytes in, bytes out. (SCP-01)

The only importer of `cryptography`. Nothing here asks for the time or rolls dice: `now` and `entropy` are arguments.
What a stranger may send is read by `der` and by fixed layouts of our own, so that the law of a conversation does not
change with the version of a library; the library does the mathematics (Ed25519, Argon2id, AES-GCM).
"""
