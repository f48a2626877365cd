"""What the panels share: base classes, the joining of modules, and JavaScript and CSS for all of them."""
