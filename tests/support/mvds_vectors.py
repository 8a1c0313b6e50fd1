"""The vectors of data sync that no code of ours made: ids, signed client messages, payloads. (SCP-09 §4)

`scripts/vectors` leaves this file alone: what it holds is what other programs send.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.datasync.payload import GroupId

_FILE: Final = Path(__file__).parent.parent / "vectors" / "mvds.json"
VECTORS: Final[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
SECRETS: Final = {name: Secret(bytes.fromhex(key["priv"])) for name, key in VECTORS["keys"].items()}
GROUP: Final = GroupId(bytes.fromhex(VECTORS["group_id"]))
