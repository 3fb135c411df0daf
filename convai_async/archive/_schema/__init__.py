"""The tables of an archive, their views, and the rows that are made from a document."""
