"""Finding devices: where they were, where the LAN sees them, what their cards say. Every address is a hint; TLS decides. (SCP-05)"""
