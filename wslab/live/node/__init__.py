"""A script in Node beside a lab, such as the article's server."""
