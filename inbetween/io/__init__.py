"""Images, sequences and video in and out; files that are written whole or not at all."""
