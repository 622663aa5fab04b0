"""The HTML report: one file, no script, no address from which anything is fetched."""
