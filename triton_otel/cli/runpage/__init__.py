"""The report of a run as a page: drawings of what was recorded, as HTML and SVG without a script."""
