"""Speed comparisons with external baselines, from a checkout: see README.md."""
