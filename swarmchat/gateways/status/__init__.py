"""Signed group events of Status. (SCP-09 §3)"""
