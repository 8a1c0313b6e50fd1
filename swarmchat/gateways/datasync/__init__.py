"""Client messages over MVDS, the minimum viable data synchronisation protocol. (SCP-09 §4)"""
