"""What strangers wrote, made harmless for a terminal and for whoever reads a file: no control characters, no turned text. (SCP-08 §2.1a)"""

from __future__ import annotations

import json
import re
from typing import Any, Final

# C0 and DEL, C1 (0x9b is CSI to some terminals), line and paragraph separators, bidirectional embeddings, overrides and
# isolates, surrogates, interlinear annotation
_HARMFUL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb]")


def plain(text: object) -> str:
    """One line of a stranger's text: every harmful character is shown as its escape."""
    return _HARMFUL.sub(_escaped, str(text))


def lines(text: object) -> list[str]:
    """A stranger's text as harmless lines; its line ends stay line ends, tabs become blanks."""
    return [plain(line) for line in str(text).replace("\r\n", "\n").replace("\t", "    ").split("\n")]


def to_json(value: Any) -> str:
    """One line of JSON that is readable and cannot harm a terminal either."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
