"""A conversation as a document for people and programs: text, JSON, HTML, mbox. Pure; equal on all nodes that have the same commits. (SCP-08 §2.9)"""
