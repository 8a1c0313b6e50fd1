"""The local door over HTTP: the same methods, events as streams, the web page. Loaded only where it is wanted. (SCP-08 §3.2)"""
