"""How a target is loaded, built, isolated and multiplied."""
