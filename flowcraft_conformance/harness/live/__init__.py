"""An adapter on its own queue, in real time: workers, clients, what reaches them, and processes that are killed."""
