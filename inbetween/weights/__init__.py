"""Everything about weight files: reading, freezing, precision, compatibility and downloads."""
