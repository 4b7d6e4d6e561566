"""Speed comparisons with what is not this project, from a checkout: see README.md."""
