"""What people look at: a view of the running job, progress on a terminal or in a log, and the summary at the end.

      JobView --> Display (rich, plain or none)          while it runs
      Summary --> summary.json, and a few lines          when it has ended

This room draws what it is given. It asks no fleet and opens no journal.
"""
