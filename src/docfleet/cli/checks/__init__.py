"""What `docfleet doctor` looks at, a file for each subject, and the process that does the looking.

doctor --Question--> examine --starts--> child: one examination after the other
            ^                               |
            +-- Check, Check, ... ----------+    ends or hangs: named as such, a new child goes on with the next
"""
