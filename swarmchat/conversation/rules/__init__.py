"""The law of a conversation: who may do what, and what it changes. (SCP-02 §3–§7)

`effects` says what an action does and is called by everybody: by the writer (`planning`), by the judge of strangers and of
ourselves (`judge`) and by who replays a set of commits (`merging`). All is pure; a refusal is a `Rejection`, a value.
"""
