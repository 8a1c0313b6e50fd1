"""How a process that runs on writes its log: to standard error, one line for each thing. (SCP-08 §1.1)"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final

from swarmchat import __version__

_TEXT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def configure(level: str, form: str) -> None:
    """Log from now on what is at least of this level (a word of `config.LOG_LEVELS`), as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("swarmchat").info("swarmchat %s, pid %d", __version__, os.getpid())


class TextLines(logging.Formatter):
    """One line for people; what peers said in it can neither begin another nor steer a terminal."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        line = super().formatMessage(record)
        if line.isprintable():
            return line
        return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


class JsonLines(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
