"""``QuestionPanel``: a form that is answered once, and the table of outcomes that waits for it."""
