"""The local door: one table of methods, spoken as JSON-RPC 2.0 over a socket or stdio. (SCP-08 §3)"""
