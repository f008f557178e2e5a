"""What `pure-proton check` is made of: each module looks at one thing, and adds what it finds to a report."""
