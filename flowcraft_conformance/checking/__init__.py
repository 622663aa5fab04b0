"""Models, histories and searches that know nothing of pytest or of any backend."""
