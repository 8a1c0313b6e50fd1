"""What can be asked fast: events, receipts. SQLite; a broken file is moved aside, never a reason not to start. (SCP-08 §3.4)"""
