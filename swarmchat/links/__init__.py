"""A trusted, multiplexed pipe between two devices. Knows no conversation: who may do what is a policy handed in. (SCP-03)"""
