"""The look that all pages share: one stylesheet, the frame of a page, and its rendering."""
