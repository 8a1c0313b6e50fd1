"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# Started in the background of a script, a process ignores Ctrl-C, and so do all that it starts; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test fails because the machine is busy: no limit of time on an example, nor on drawing it.
settings.register_profile("swarmchat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("swarmchat")
