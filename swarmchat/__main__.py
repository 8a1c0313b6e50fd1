"""`python -m swarmchat`."""

from __future__ import annotations

import sys

from swarmchat.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
