"""Who I am: the home on disk, the keys, and what this account knows of others. Knows no network and no conversation's law."""
