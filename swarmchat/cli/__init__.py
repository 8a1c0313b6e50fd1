"""The command line: translates words into one call of the local API, and its answer into text. (SCP-08 §2)"""
