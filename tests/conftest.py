"""What holds for all tests."""

from __future__ import annotations

import signal

# Started in the background of a script, a process ignores Ctrl-C, and so do all that it starts; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
