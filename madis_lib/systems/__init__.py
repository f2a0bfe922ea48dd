"""Systems that turn text into signing: the rows of Table 1."""
