"""Keeping conversations in step: whom to be linked with, what to say, what to fetch, whom to invite. (SCP-04, SCP-06)"""
