"""Running servers for harnesses: from the environment, else embedded or installed ones started for this run."""
