"""What visitors see, a page a file; `app` is the frame around them and what `advisor app` starts."""
