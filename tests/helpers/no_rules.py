"""A style sheet without rules, to take those of a test's windows away: an empty one would have Qt delete the style that
PySide still has wrappers of, and what is made at its address later would be taken for it: a crash now and then."""

NO_RULES = "/* none */"
