"""The rules for repositories that Jami made: reading and judging only, never writing. (SCP-02 §9)"""
