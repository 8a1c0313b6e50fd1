"""The DHT: signed records under blinded keys, kept for minutes by strangers. The one address of `kademlia`. (SCP-05 §1)"""
