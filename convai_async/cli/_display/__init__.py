"""Progress, transcripts and tables, on a terminal or as lines of text."""
