"""A target in processes of its own: started from ``module:name``, driven over pipes, paused and killed."""
