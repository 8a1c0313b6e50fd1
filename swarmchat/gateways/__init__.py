"""Foreign vocabularies at the edge of the node: each a codec, a mapping onto commits, and a thin server. (SCP-09)"""
