"""Captured mode: the kit takes the queue's place and decides who is delivered, killed, repeated and when."""
