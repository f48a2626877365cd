"""``BrowserPanel``: JavaScript in the learner's page, beside what crossed the wire."""
