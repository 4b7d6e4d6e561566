"""`python -m inbetween app`: the animator's page in the browser.

What the page knows and does is plain Python (`project`, `drawing`, `actions`, `view`, `export`); `page` puts
it into Gradio, and the folder `desk` is what the browser runs.
"""
