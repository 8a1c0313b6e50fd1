"""The vectors of Status that no code of ours made: keys, signed events, messages, folds. (SCP-09 §3)

`scripts/vectors` leaves this file alone: what it holds is what other programs send.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from swarmchat.crypto.secp256k1 import Secret

_FILE: Final = Path(__file__).parent.parent / "vectors" / "status.json"
VECTORS: Final[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
SECRETS: Final = {name: Secret(bytes.fromhex(key["priv"])) for name, key in VECTORS["keys"].items()}
