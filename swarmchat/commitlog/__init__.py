"""One conversation on disk: a bare git repository, and the rows of what was judged there. (SCP-02 §1, SCP-04 §3–§5)

Synchronous; knows the law and no network. `log.CommitLog` is the one door: what we write and what strangers send goes
through the same judge before anything of it reaches the object store.
"""
