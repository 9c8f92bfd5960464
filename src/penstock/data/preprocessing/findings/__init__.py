"""Look for columns, words, pixels and labels that deserve a second look, for data.json.

Nothing here stops a pipeline: what must be true stands in `datasets.<name>.checks`. The test rows are not looked at.
The folds are those of `split`, so that rows of a group, or of later times, are never on both sides.

`report` puts the findings together, `constants` are columns of one value, `sample` takes the rows, `features` are what
they are judged by, `leaks` and `suspects` look for the two kinds of suspects, and `learners` are the simple models that
`suspects` asks.
"""
