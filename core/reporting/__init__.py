"""Reports: self-contained HTML pages of text, tables and figures, with every number's definition beside it."""
