"""One HTML file of a run that works by itself: the cloud, images, saved paths, and the decoder running in the page."""
