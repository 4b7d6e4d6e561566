"""Images, sequences and video in and out; files that are written completely or not at all."""
