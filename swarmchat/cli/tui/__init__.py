"""The full-screen client: conversations, messages, members and the rest, by keyboard, live. (SCP-08 §2.8)

`line` talks to the daemon, `words` says what a row shows (pure), `parts`, `dialogs`, `pages` and `app` are what is on the screen. Only
these import textual, and they are imported only by `swarmchat tui`.
"""
