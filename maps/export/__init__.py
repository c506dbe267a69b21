"""One incident as a bundle that opens anywhere and can be checked byte by byte."""
