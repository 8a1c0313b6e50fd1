"""Keys of the DHT that only who knows an id can compute or link over the hours. (SCP-05 §1.3)"""

from __future__ import annotations

from typing import NewType

DhtKey = NewType("DhtKey", bytes)  # 20 bytes
